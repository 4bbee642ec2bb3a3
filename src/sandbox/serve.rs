//! A sandbox on a socket of its own.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::serve::ListenerExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::net::TcpListener;

use super::engine::BODY;
use super::{Mount, Sandbox};

/// Answers until `shutdown` is ready; requests that have begun are finished.
pub async fn serve(
    listener: TcpListener,
    sandbox: Arc<Sandbox>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new().fallback(move |request: Request<Body>| answer(sandbox.clone(), request));
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn answer(sandbox: Arc<Sandbox>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mount = Mount(format!("http://{host}"));
    parts.extensions.insert(mount);
    let (method, target) = (parts.method.clone(), parts.uri.clone());
    let response = sandbox.answer(Request::from_parts(parts, body)).await;
    // Records and credentials are made up, so a refusal may be told whole.
    let refusal = if response.status().as_u16() < 400 { "".into() } else { String::from_utf8_lossy(response.body()) };
    tracing::debug!(provider = sandbox.provider(), status = response.status().as_u16(), %refusal, "{method} {target}");
    response.map(Body::from)
}

fn refusal(status: StatusCode, detail: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::json!({ "error": detail }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
