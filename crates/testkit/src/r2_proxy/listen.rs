//! The way of one request: connection, fault, rules, upstream, fault, connection.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Body};
use super::call::Call;
use super::faults::{Fault, Hit, When};
use super::log::{Entry, Side};
use super::shape::{Shape, Shaped};
use super::{State, answer, catalog, s3};

pub(super) struct Listener {
    pub(super) side: Side,
    pub(super) state: Arc<State>,
    pub(super) tls: TlsAcceptor,
}

/// The connection is to be cut without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Listener {
    /// Ends with its runtime. Connections that fail are the client's affair: it closed them or was cut off.
    pub(super) async fn serve(self, socket: TcpListener) -> Result<Infallible, std::io::Error> {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        loop {
            let (stream, _) = socket.accept().await?;
            let (side, state, tls) = (self.side, Arc::clone(&self.state), self.tls.clone());
            tokio::spawn(connection(side, state, tls, stream));
        }
    }
}

async fn connection(side: Side, state: Arc<State>, tls: TlsAcceptor, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = service_fn(|request| serve(side, Arc::clone(&state), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn serve(side: Side, state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(&parts);
    let operation = match side {
        Side::Catalog => catalog::operation_name(&call, &state.settings),
        Side::S3 => s3::operation_name(&call),
    };
    let entry = state.log.begin(side, operation, &call);
    let hit = state.faults.meet(side, operation, &call);
    if let Some(Hit { when: When::Before, fault: Fault::Late(wait) }) = hit {
        call.read(body).await?;
        // A task of its own: the one of the connection ends with the client.
        tokio::spawn(late(wait, side, state, operation, call, entry));
        return Err(Cut);
    }
    let instead = match &hit {
        Some(Hit { when: When::Before, fault }) => before(side, fault, &mut call).await?,
        _ => None,
    };
    // Before any answer: a connection that is closed with bytes unread takes the answer with it.
    call.read(body).await?;
    entry.count_in(call.body.len());
    if let Some(answer) = instead {
        return Ok(finished(answer, &entry, Shape::default()));
    }
    let answer = upstream(side, &state, operation, &call).await;
    match hit {
        Some(Hit { when: When::After, fault }) => after(side, fault, answer, &entry).await,
        _ => Ok(finished(answer, &entry, Shape::default())),
    }
}

async fn upstream(side: Side, state: &State, operation: &'static str, call: &Call) -> Answer {
    match side {
        Side::Catalog => catalog::answer(state, call).await,
        Side::S3 => s3::answer(state, operation, call).await,
    }
}

/// The request arrives when nobody waits for its answer any more.
async fn late(wait: Duration, side: Side, state: Arc<State>, operation: &'static str, call: Call, entry: Arc<Entry>) {
    tokio::time::sleep(wait).await;
    entry.count_in(call.body.len());
    entry.answered(upstream(side, &state, operation, &call).await.status());
}

/// What happens instead of the request, if anything.
async fn before(side: Side, fault: &Fault, call: &mut Call) -> Result<Option<Answer>, Cut> {
    match fault {
        Fault::Status { .. } | Fault::ExpiredToken => Ok(Some(told(side, fault))),
        Fault::Reset | Fault::Truncate { .. } | Fault::Late(_) => Err(Cut),
        Fault::Hang => std::future::pending().await,
        Fault::Delay(duration) => {
            tokio::time::sleep(*duration).await;
            Ok(None)
        }
        Fault::Corrupt { at } => {
            call.corrupt_at = Some(*at);
            Ok(None)
        }
    }
}

/// What happens to the answer of a request that the upstream has seen.
async fn after(side: Side, fault: Fault, answer: Answer, entry: &Entry) -> Result<Response<Body>, Cut> {
    let mut shape = Shape::default();
    match fault {
        Fault::Status { .. } | Fault::ExpiredToken => return Ok(finished(told(side, &fault), entry, shape)),
        Fault::Reset | Fault::Late(_) => return Err(Cut),
        Fault::Hang => std::future::pending().await,
        Fault::Delay(duration) => tokio::time::sleep(duration).await,
        Fault::Truncate { bytes } => shape.truncate_at = Some(bytes),
        Fault::Corrupt { at } => shape.corrupt_at = Some(at),
    }
    Ok(finished(answer, entry, shape))
}

fn told(side: Side, fault: &Fault) -> Answer {
    match (side, fault) {
        (_, Fault::Status { code, body, retry_after_seconds }) => answer::raw(*code, body, *retry_after_seconds),
        (Side::Catalog, _) => answer::text(401, "Unauthorized"),
        (Side::S3, _) => answer::s3_error(400, "ExpiredToken", "The provided token has expired."),
    }
}

fn finished(answer: Answer, entry: &Entry, shape: Shape) -> Response<Body> {
    entry.answered(answer.status());
    answer.map(|body| Shaped::boxed(body, shape, entry.bytes_out()))
}
