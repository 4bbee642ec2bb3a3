//! A body that is taken down as it passes: its beginning, without holding anything up.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::telemetry::Pen;

/// The pen is put down with the end of the body, so that whoever has read it all finds it written down.
pub struct TakenDown<B> {
    body: B,
    pen: Option<Pen>,
}

impl<B> TakenDown<B> {
    pub fn new(body: B, pen: Pen) -> Self {
        Self { body, pen: Some(pen) }
    }
}

impl<B> Body for TakenDown<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(pen), Some(Ok(frame))) = (&self.pen, &frame)
            && let Some(data) = frame.data_ref()
        {
            pen.write(data);
        }
        if matches!(frame, None | Some(Err(_))) || self.body.is_end_stream() {
            self.pen = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
