//! A server that answers what a test tells it to, and writes down what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Declares the whole body and sends the first bytes of it.
    Cut {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        sent_bytes: usize,
    },
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Hang,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::with(status, &[], b"")
    }

    pub fn with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Self::Answer { status, headers, body: body.to_vec() }
    }

    /// An error as S3 says it; `more` are further elements.
    pub fn error(status: u16, code: &str, message: &str, more: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}\
             <RequestId>REQ1</RequestId></Error>"
        );
        Self::with(status, &[], body.as_bytes())
    }

    /// Bytes of an object of `size`, from `start` on.
    pub fn range(start: u64, bytes: &[u8], size: u64) -> Self {
        let range = format!("bytes {start}-{}/{size}", start + bytes.len() as u64 - 1);
        Self::with(206, &[("content-range", &range), ("etag", "\"e\"")], bytes)
    }

    /// The same, but the connection ends after `sent_bytes` of the body.
    pub fn cut(self, sent_bytes: usize) -> Self {
        match self {
            Self::Answer { status, headers, body } => Self::Cut { status, headers, body, sent_bytes },
            other => other,
        }
    }
}

type Answers = Box<dyn FnMut(&Asked) -> Reply + Send>;

/// Listens on a port of its own until it is dropped.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request as `answers` says.
    pub async fn start(answers: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let answers = Arc::new(Mutex::new(Box::new(answers) as Answers));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answers)));
            }
        });
        Self { url, asked, task }
    }

    /// Answers in turn; 418 when there are no more.
    pub async fn scripted(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start(move |_| replies.pop_front().unwrap_or(Reply::status(418))).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Asked>>>, answers: Arc<Mutex<Answers>>) {
    let Some(asked) = read_request(&mut stream).await else { return };
    let reply = {
        log.lock().unwrap().push(asked.clone());
        (answers.lock().unwrap())(&asked)
    };
    match reply {
        Reply::Answer { status, headers, body } => {
            let sent_bytes = if asked.method == "HEAD" { 0 } else { body.len() };
            answer(&mut stream, status, &headers, &body, sent_bytes).await;
        }
        Reply::Cut { status, headers, body, sent_bytes } => {
            answer(&mut stream, status, &headers, &body, sent_bytes).await;
        }
        Reply::Close => {}
        Reply::Hang => std::future::pending().await,
    }
}

async fn answer(stream: &mut TcpStream, status: u16, headers: &[(String, String)], body: &[u8], sent_bytes: usize) {
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name == "content-length") && status != 204 {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).await;
    let _ = stream.write_all(&body[..sent_bytes]).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_string(), first.next()?.to_string());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked { method, target, headers, body })
}
