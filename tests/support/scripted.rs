//! A server that answers what a trial tells it to: what no real server can be made to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Failed;

/// Who asks and says no more is not waited for any longer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// One request as it came over the wire.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Everything that was said, as servers repeat it to who debugs them.
    pub(crate) fn echo(&self) -> String {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} {} {} {}", self.method, self.target, headers.join(" "), self.body)
    }
}

/// What the server does with one request.
pub(crate) enum Reply {
    Answer {
        status: u16,
        kind: &'static str,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Never answers.
    Hang,
}

impl Reply {
    fn new(status: u16, kind: &'static str, body: impl ToString) -> Self {
        Self::Answer { status, kind, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn json(status: u16, body: impl ToString) -> Self {
        Self::new(status, "application/json", body)
    }

    pub(crate) fn text(status: u16, body: impl ToString) -> Self {
        Self::new(status, "text/plain;charset=UTF-8", body)
    }

    pub(crate) fn html(status: u16, body: impl ToString) -> Self {
        Self::new(status, "text/html", body)
    }

    pub(crate) fn xml(status: u16, body: impl ToString) -> Self {
        Self::new(status, "application/xml", body)
    }

    /// The answer with one header more.
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }

    /// An error of the Iceberg REST protocol.
    pub(crate) fn iceberg(status: u16, name: &str, message: &str) -> Self {
        Self::json(status, serde_json::json!({"error": {"message": message, "type": name, "code": status}}))
    }

    /// An error of the Glue API.
    pub(crate) fn glue(name: &str, message: &str) -> Self {
        let body = serde_json::json!({"__type": name, "message": message, "Message": message});
        Self::new(400, "application/x-amz-json-1.1", body)
    }

    /// An error of S3; `more` are further elements.
    pub(crate) fn s3(status: u16, code: &str, message: &str, more: &str) -> Self {
        Self::xml(status, s3_error(code, message, more))
    }
}

/// The body of an error of S3.
pub(crate) fn s3_error(code: &str, message: &str, more: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}\
         <RequestId>REQUEST1</RequestId></Error>"
    )
}

/// Starts the server, which lives as long as the test process, and returns its address.
pub(crate) fn start(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Result<String, Failed> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            // A client that goes away is not this server's concern.
            std::thread::spawn(move || serve(stream, answers.as_ref()).ok());
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, answers: &dyn Fn(&Asked) -> Reply) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let asked = read(&mut BufReader::new(stream.try_clone()?))?;
    match answers(&asked) {
        Reply::Answer { status, kind, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{headers}\r\n"
            );
            stream.write_all(head.as_bytes())?;
            if asked.method != "HEAD" {
                stream.write_all(body.as_bytes())?;
            }
            Ok(())
        }
        // Until the client has had enough.
        Reply::Hang => stream.read(&mut [0]).map(|_| ()),
    }
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Asked> {
    let mut line = || {
        let mut text = String::new();
        stream.read_line(&mut text).map(|_| text.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let text = line()?;
        let Some((name, value)) = text.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, target, headers, body: String::new() };
    let length = asked.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(asked)
}
