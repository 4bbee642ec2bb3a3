//! Between requests and whoever exports: bounded, and never waited for. What does not fit is dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::telemetry::{Exported, Metrics};

/// Spans that wait, of about one KiB each.
const WAITING: usize = 8192;
/// Spans that are sent together.
const BATCH: usize = 512;
/// How long the first of them waits for the others.
const LINGER: Duration = Duration::from_secs(2);

pub(super) struct Queue {
    spans: mpsc::Sender<Span>,
    metrics: Arc<Metrics>,
}

/// The end at which spans come out.
pub struct Spans {
    waiting: mpsc::Receiver<Span>,
    batch: Vec<Span>,
}

impl Queue {
    pub(super) fn new(metrics: &Arc<Metrics>) -> (Self, Spans) {
        let (spans, out) = mpsc::channel(WAITING);
        (Self { spans, metrics: Arc::clone(metrics) }, Spans { waiting: out, batch: Vec::new() })
    }

    pub(super) fn push(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.metrics.trace_spans(Exported::QueueFull, 1);
        }
    }
}

impl Spans {
    /// The next ones, once there are enough or the first has waited for a while; none after the end. Nothing is lost if
    /// this is not waited for to its end.
    pub async fn next(&mut self) -> Vec<Span> {
        if self.batch.is_empty() && self.waiting.recv_many(&mut self.batch, BATCH).await == 0 {
            return Vec::new();
        }
        let until = Instant::now() + LINGER;
        while self.batch.len() < BATCH {
            let room = BATCH - self.batch.len();
            match timeout_at(until, self.waiting.recv_many(&mut self.batch, room)).await {
                Ok(1..) => {}
                // It is over, or late enough.
                _ => break,
            }
        }
        std::mem::take(&mut self.batch)
    }

    /// Takes no more; what is there still comes out.
    pub fn close(&mut self) {
        self.waiting.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_counted_and_what_fits_comes_in_batches() {
        let metrics = Metrics::new().expect("the families");
        let (queue, mut spans) = Queue::new(&metrics);
        (0..WAITING + 3).for_each(|_| queue.push(Span::default()));
        let text = metrics.render().expect("text");
        assert!(text.contains(r#"throughline_trace_spans_total{result="queue-full"} 3"#), "{text}");
        assert_eq!(spans.next().await.len(), BATCH);
        spans.close();
        let mut rest = 0;
        loop {
            match spans.next().await.len() {
                0 => break,
                some => rest += some,
            }
        }
        assert_eq!(rest, WAITING - BATCH);
    }
}
