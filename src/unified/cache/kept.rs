//! An answer as it is kept: written out as JSON once, whoever asks for it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::epochs::Epoch;
use super::rules::Terms;
use crate::catalog::{Provider, Resource};
use crate::connections::ConnectionId;
use crate::error::Error;
use crate::model::Warning;
use crate::unified::{Continuation, Reply};

/// The answer to a read.
#[derive(Debug)]
pub struct Kept {
    pub content: Content,
    pub warnings: Vec<Warning>,
    /// Tells answers apart that differ in more than their cursor's seal.
    pub tag: String,
}

#[derive(Debug)]
pub enum Content {
    List {
        /// A JSON array.
        records: Bytes,
        count: u64,
        next: Option<Continuation>,
    },
    Record {
        /// A JSON object.
        record: Bytes,
        /// What the vendor tells its versions by.
        version: Option<String>,
    },
    /// There is no such record.
    Absent(Error),
}

/// Where an answer came from, for the header fields that say so.
#[derive(Debug, Clone)]
pub struct Told {
    pub source: Source,
    /// Since the vendor gave it.
    pub age: Duration,
    /// How long it is good for, from then on; none if it was not kept.
    pub ttl: Option<Duration>,
    /// The caller wanted it not to be kept.
    pub no_store: bool,
    /// What is to be said of it besides its own warnings.
    pub warning: Option<Warning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Memory,
    /// The vendor was asked; `collapsed` if by somebody else's request.
    Vendor {
        why: Why,
        collapsed: bool,
    },
    /// From memory, since the vendor failed: with this status, if it had one.
    InNeed {
        status: Option<u16>,
    },
}

/// Why the vendor was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing was kept.
    Absent,
    /// It was not good any more.
    Stale,
    /// The caller wanted so.
    Asked,
}

/// What may be kept although something was lacking: the same call would have it lacking again. What else lacks may be there
/// in a moment, as with an account that could not be asked for its fields.
const LASTING: [&str; 4] = ["limit-reduced", "field-not-available", "field-unreadable", "list-truncated"];

impl Kept {
    /// None for replies that are no answers to reads.
    pub fn of(reply: Reply) -> Result<Option<Self>, Error> {
        let bytes = |value: &Value| {
            let written = serde_json::to_vec(value).map_err(Error::internal)?;
            // What a vector has in reserve would not be counted.
            Ok::<_, Error>(Bytes::from(written.into_boxed_slice()))
        };
        let (content, warnings) = match reply {
            Reply::List { records, next, warnings } => {
                let count = records.len() as u64;
                (Content::List { records: bytes(&Value::Array(records))?, count, next }, warnings)
            }
            Reply::Record { record, version, warnings, .. } => {
                (Content::Record { record: bytes(&record)?, version }, warnings)
            }
            Reply::Deleted | Reply::Batch { .. } | Reply::Kept { .. } => return Ok(None),
        };
        Ok(Some(Self { tag: tag(&content, &warnings), content, warnings }))
    }

    pub fn absent(error: Error) -> Self {
        Self { content: Content::Absent(error), warnings: Vec::new(), tag: String::new() }
    }

    pub fn can_be_kept(&self) -> bool {
        self.warnings.iter().all(|warning| LASTING.contains(&warning.code))
    }

    /// Records that it hands out.
    pub fn count(&self) -> u64 {
        match &self.content {
            Content::List { count, .. } => *count,
            Content::Record { .. } => 1,
            Content::Absent(_) => 0,
        }
    }

    fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::List { records, next, .. } => {
                records.len() + next.as_ref().map_or(0, |next| json!(next).to_string().len())
            }
            Content::Record { record, .. } => record.len(),
            Content::Absent(_) => OVERHEAD,
        };
        content + self.warnings.iter().map(|warning| 100 + warning.detail.len()).sum::<usize>()
    }
}

fn tag(content: &Content, warnings: &[Warning]) -> String {
    let mut digest = Context::new(&SHA256);
    match content {
        Content::List { records, next, .. } => {
            digest.update(records);
            digest.update(json!(next).to_string().as_bytes());
        }
        Content::Record { record, .. } => digest.update(record),
        Content::Absent(_) => {}
    }
    digest.update(json!(warnings).to_string().as_bytes());
    let digest = digest.finish();
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}

/// What is in memory under a key.
pub struct Entry {
    pub kept: Arc<Kept>,
    pub connection: ConnectionId,
    /// When it was asked for: what has changed since then is not in it.
    pub epoch: Epoch,
    pub since: Instant,
    pub terms: Terms,
    pub weight: u32,
    /// Keys name these by their address: as long as the entry is there, no other can come to stand there.
    pub _by: (Arc<Provider>, Arc<Resource>),
}

/// What an entry takes besides its text, roughly. Bytes.
const OVERHEAD: usize = 640;

impl Entry {
    pub fn weight(key: &str, kept: &Kept) -> u32 {
        u32::try_from(OVERHEAD + key.len() + kept.bytes()).unwrap_or(u32::MAX)
    }
}
