//! HTTP/1.1 as little as the actors need of it, on a bare socket: one that can stop anywhere.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::TcpStream;

/// A request or an answer.
#[derive(Debug, Clone)]
pub struct Message {
    pub head: String,
    pub body: Vec<u8>,
}

impl Message {
    /// `GET /a HTTP/1.1` or `HTTP/1.1 200 OK`, in its three words.
    pub fn word(&self, number: usize) -> &str {
        self.head.lines().next().unwrap_or_default().splitn(3, ' ').nth(number).unwrap_or_default()
    }

    pub fn status(&self) -> u16 {
        self.word(1).parse().expect("a status")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A member of a form.
    pub fn member(&self, name: &str) -> Option<String> {
        let body = self.text();
        body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
    }
}

/// The next message; none if the other side ended before it was whole. `read` keeps what came of the one after it.
pub async fn read(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Message> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(stream, read).await?;
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    read.drain(..end + 4);
    let mut message = Message { head, body: Vec::new() };
    if message.header("transfer-encoding").is_some() {
        message.body = chunks(stream, read).await?;
        return Some(message);
    }
    let length = message.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while read.len() < length {
        more(stream, read).await?;
    }
    message.body = read.drain(..length).collect();
    Some(message)
}

async fn chunks(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            match read.windows(2).position(|two| two == b"\r\n") {
                Some(end) => break end,
                None => more(stream, read).await?,
            }
        };
        let length = usize::from_str_radix(&String::from_utf8_lossy(&read[..end]), 16).ok()?;
        read.drain(..end + 2);
        while read.len() < length + 2 {
            more(stream, read).await?;
        }
        body.extend(read.drain(..length));
        read.drain(..2);
        if length == 0 {
            return Some(body);
        }
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 8 * 1024];
    let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
    read.extend_from_slice(&part[..count]);
    Some(())
}

pub async fn write(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).await.is_ok() && stream.flush().await.is_ok()
}

/// A whole answer, after which the connection stays open.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n{headers}{length}\r\n{body}")
}
