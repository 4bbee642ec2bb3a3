//! A browser without a screen: keeps cookies, reads forms, sends them as browsers do.

use std::collections::HashMap;
use std::net::SocketAddr;

use parking_lot::Mutex;

use super::{Answer, Client, encode};

#[derive(Default)]
pub struct Browser {
    cookies: Mutex<HashMap<(SocketAddr, String), String>>,
}

/// A page and where it was found.
#[derive(Debug, Clone)]
pub struct Page {
    pub url: String,
    pub answer: Answer,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    pub async fn get(&self, url: &str) -> Page {
        let (address, target) = apart(url);
        let client = Client::new(address);
        let request = client.request("GET", target).header("Cookie", &self.cookies(address));
        let answer = request.header("Sec-Fetch-Site", "cross-site").send().await;
        self.keep(address, &answer);
        Page { url: url.to_owned(), answer }
    }

    /// Sends the page's form, with what was typed into it.
    pub async fn send(&self, page: &Page, typed: &[(&str, &str)]) -> Page {
        let mut members = page.form();
        for (name, value) in typed {
            members.retain(|(known, _)| known != name);
            members.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.post(&page.url, &members, &[("Origin", "null"), ("Sec-Fetch-Site", "same-origin")]).await
    }

    pub async fn post(&self, url: &str, members: &[(String, String)], headers: &[(&str, &str)]) -> Page {
        let url = url.split('?').next().unwrap_or_default();
        let (address, target) = apart(url);
        let body: Vec<String> =
            members.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let client = Client::new(address);
        let mut request = client.request("POST", target).header("Cookie", &self.cookies(address));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.body("application/x-www-form-urlencoded", body.join("&")).send().await;
        self.keep(address, &answer);
        Page { url: url.to_owned(), answer }
    }

    fn cookies(&self, address: SocketAddr) -> String {
        let cookies = self.cookies.lock();
        let ours = cookies.iter().filter(|((at, _), _)| *at == address);
        ours.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, address: SocketAddr, answer: &Answer) {
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.lock().insert((address, name.to_owned()), value.to_owned());
        }
    }
}

impl Page {
    pub fn text(&self) -> String {
        self.answer.text()
    }

    /// Where it leads on to.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.answer.header("location");
        location.unwrap_or_else(|| panic!("{} leads nowhere: {}", self.answer.status, self.text())).to_owned()
    }

    /// The page has this status and says this.
    #[track_caller]
    pub fn says(&self, status: u16, text: &str) {
        assert_eq!(self.answer.status, status, "{}", self.text());
        assert!(self.text().contains(text), "`{text}` is not in {}", self.text());
        assert!(self.answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    }

    /// Names and values of the form's hidden members, as a browser would send them untouched.
    pub fn form(&self) -> Vec<(String, String)> {
        let text = self.text();
        let inputs = text.split("<input").skip(1).filter_map(|part| part.split('>').next());
        let of = |input: &str, name: &str| {
            Some(input.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.replace("&amp;", "&"))
        };
        inputs.filter_map(|input| Some((of(input, "name")?, of(input, "value").unwrap_or_default()))).collect()
    }
}

/// The members of a query or a form.
pub fn members_of(text: &str) -> HashMap<String, String> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn apart(url: &str) -> (SocketAddr, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is not of this machine"));
    let (address, _) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
    let target = &rest[address.len()..];
    (address.parse().unwrap_or_else(|_| panic!("{url}")), if target.is_empty() { "/" } else { target })
}
