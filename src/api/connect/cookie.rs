//! The cookie by which a browser is known for as long as it connects accounts.

use http::{HeaderMap, HeaderValue, header};

use crate::connections::connect::Browser;
use crate::error::Result;
use crate::net::Origin;

const NAME: &str = "throughline-connect";
/// Longer than any link is good for. Seconds.
const MAX_AGE: u32 = 2 * 3600;

/// The browser that sent this request.
pub fn browser(headers: &HeaderMap, public: Option<&Origin>) -> Result<Browser> {
    let name = name(public);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    Browser::of(pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()))
}

/// Sets the cookie if the browser has none. Lax: it has to come along when the provider sends the customer back.
pub fn set(headers: &mut HeaderMap, browser: &Browser, public: Option<&Origin>) {
    if !browser.fresh {
        return;
    }
    let path = public.map(Origin::prefix).filter(|prefix| !prefix.is_empty()).unwrap_or("/");
    let secure = if is_secure(public) { "; Secure" } else { "" };
    let cookie =
        format!("{}={}; Path={path}; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax{secure}", name(public), browser.cookie);
    headers.extend(HeaderValue::from_str(&cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
}

/// With the prefix, browsers take the cookie from this very host only, by TLS.
fn name(public: Option<&Origin>) -> String {
    let whole_host = public.is_some_and(|public| public.prefix().is_empty());
    if is_secure(public) && whole_host { format!("__Host-{NAME}") } else { NAME.to_owned() }
}

fn is_secure(public: Option<&Origin>) -> bool {
    public.is_some_and(Origin::is_https)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_as_strict_as_the_address_lets_it_be() {
        let of = |url: &str| {
            let public = Origin::parse(url).expect("an origin");
            let browser = browser(&HeaderMap::new(), Some(&public)).expect("random");
            let mut headers = HeaderMap::new();
            set(&mut headers, &browser, Some(&public));
            let cookie = headers[header::SET_COOKIE].to_str().expect("text").replace(&browser.cookie, "…");
            let mut back = HeaderMap::new();
            let pair = format!("a=b; {}={}", name(Some(&public)), browser.cookie);
            back.insert(header::COOKIE, HeaderValue::from_str(&pair).expect("text"));
            let again = super::browser(&back, Some(&public)).expect("random");
            assert_eq!(again.brought(), Some(browser.cookie.as_str()));
            cookie
        };
        assert_eq!(
            of("https://crm.test"),
            "__Host-throughline-connect=…; Path=/; Max-Age=7200; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            of("https://crm.test/tl"),
            "throughline-connect=…; Path=/tl; Max-Age=7200; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(of("http://127.0.0.1:1"), "throughline-connect=…; Path=/; Max-Age=7200; HttpOnly; SameSite=Lax");
    }
}
