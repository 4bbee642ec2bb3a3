//! What the integration tests share: a server on port 0 with everything that `demo` has, a client that can also send
//! nonsense, and stand-ins for vendors that misbehave on demand.

#![allow(dead_code, unused_imports)]

mod authority;
mod authorization;
mod browser;
mod client;
mod deployment;
mod held_store;
mod process;
mod proxy;
mod redis;
mod server;
mod vendor;

pub use authority::{Authority, Scene, in_seconds};
pub use authorization::AuthorizationServer;
pub use browser::{Browser, Page, members_of};
pub use client::{Answer, Client, Request, encode};
pub use deployment::Deployment;
pub use held_store::{Gate, Held, held_store};
pub use process::{Process, free_port, scratch, throughline};
pub use proxy::ForwardProxy;
pub use redis::RedisServer;
pub use server::{Server, TOKEN, on_shared, start, start_alone, start_configured, start_with};
pub use vendor::{CUSTOM_OBJECTS, Exchange, FakeVendor, Recorded, json_answer, plain_answer, provider};

use serde_json::Value;

/// The pages of a list, from the first to the last, as their records.
pub async fn all_pages(client: &Client, path: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut answer = client.get(path).await;
    loop {
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let body = answer.json();
        pages.push(body["data"].as_array().expect("a list of records").clone());
        assert!(pages.len() < 200, "{path} does not end");
        let Some(cursor) = body["next_cursor"].as_str() else { return pages };
        let route = path.split('?').next().expect("a route");
        answer = client.get(&format!("{route}?cursor={cursor}")).await;
    }
}

pub fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["id"].as_str().expect("an id that is text").to_owned()).collect()
}
