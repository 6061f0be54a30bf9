//! An HTTP server that answers what it is told, and remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

#[derive(Clone)]
pub(super) struct Stub {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, (u16, Bytes)>,
    asked: Vec<Asked>,
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Stub {
    pub(super) async fn start() -> Self {
        let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        let stub = Self { address, state: Arc::default() };
        let server = stub.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let server = server.clone();
                let service = service_fn(move |request| server.clone().serve(request));
                tokio::spawn(
                    async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await },
                );
            }
        });
        stub
    }

    /// From now on, this answer for a path; all others are 200 and empty.
    pub(super) fn says(&self, path: &str, code: u16, body: &str) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), (code, Bytes::copy_from_slice(body.as_bytes())));
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Methods and targets of all requests.
    pub(super) fn targets(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut state = self.state.lock().unwrap();
        let (code, answer) = state.answers.get(parts.uri.path()).cloned().unwrap_or((200, Bytes::new()));
        state.asked.push(Asked {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts.headers,
            body,
        });
        let mut response = Response::new(Full::new(answer));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        Ok(response)
    }
}
