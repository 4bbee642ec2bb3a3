//! The sandboxes on a socket: each below `/{provider}/`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::serve::ListenerExt;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::net::TcpListener;

use super::engine::BODY;
use super::{Mount, Sandbox};

type Sandboxes = Arc<BTreeMap<String, Arc<Sandbox>>>;

/// Answers until `shutdown` is ready; requests that have begun are finished.
pub async fn serve(
    listener: TcpListener,
    sandboxes: BTreeMap<String, Arc<Sandbox>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let sandboxes: Sandboxes = Arc::new(sandboxes);
    let router = Router::new().fallback(move |request: Request<Body>| answer(sandboxes.clone(), request));
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn answer(sandboxes: Sandboxes, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let Some((sandbox, rest)) = split(&sandboxes, parts.uri.path_and_query()) else {
        return refusal(StatusCode::NOT_FOUND, "there is no sandbox of this name");
    };
    let Ok(body) = to_bytes(body, BODY).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mount = Mount(format!("http://{host}/{}", sandbox.provider()));
    parts.extensions.insert(mount);
    parts.uri = rest;
    sandbox.answer(Request::from_parts(parts, body)).await.map(Body::from)
}

/// The sandbox that a path names, and the vendor's path behind its name.
fn split(sandboxes: &Sandboxes, target: Option<&PathAndQuery>) -> Option<(Arc<Sandbox>, Uri)> {
    let target = target?.as_str().strip_prefix('/')?;
    let end = target.find(['/', '?']).unwrap_or(target.len());
    let sandbox = sandboxes.get(target.get(..end)?)?;
    let rest = target.get(end..)?;
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    Some((sandbox.clone(), rest.parse().ok()?))
}

fn refusal(status: StatusCode, detail: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::json!({ "error": detail }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
