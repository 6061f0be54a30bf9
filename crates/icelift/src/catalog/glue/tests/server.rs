//! A Glue of a few tables on a port of this machine, that counts versions, gives pages, and fails when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::scripted_server::{self, Reply};

type Change = Box<dyn FnOnce(&mut State) + Send>;

/// What happens to a call, instead of the ordinary.
pub(super) enum Fault {
    /// It is refused with this code and message.
    Refused(&'static str, &'static str),
    /// It is lost on the way there.
    LostBefore,
    /// It is done, and the answer is lost.
    LostAfter,
    /// Others are faster: this happens first.
    Outrun(Change),
    /// It is done, then others do this, and the answer is lost.
    LostAndTopped(Change),
}

#[derive(Default)]
pub(super) struct State {
    pub databases: BTreeMap<String, Value>,
    pub tables: BTreeMap<(String, String), Value>,
    /// The action that each concerns, in order.
    pub faults: VecDeque<(&'static str, Fault)>,
    pub calls: Vec<(String, Value)>,
}

pub(super) struct Server {
    pub endpoint: String,
    pub state: Arc<Mutex<State>>,
    _http: scripted_server::Server,
}

type Answer = Result<Value, (String, String)>;

impl Server {
    pub async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let played = Arc::clone(&state);
        let http = scripted_server::Server::start(move |asked| {
            let action = asked.header("x-amz-target").unwrap_or_default().trim_start_matches("AWSGlue.");
            let body = serde_json::from_slice(&asked.body).unwrap();
            let (status, body) = match played.lock().unwrap().call(action, body) {
                None => return Reply::Close,
                Some(Ok(body)) => (200, body),
                Some(Err((code, message))) => (400, json!({"__type": code, "Message": message})),
            };
            Reply::with(status, &[("content-type", "application/x-amz-json-1.1")], body.to_string().as_bytes())
        })
        .await;
        Self { endpoint: http.url.clone(), state, _http: http }
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub fn fail(&self, action: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.with(|state| state.faults.extend(faults.into_iter().map(|fault| (action, fault))));
    }

    /// The bodies of the calls of one action.
    pub fn calls(&self, action: &str) -> Vec<Value> {
        self.with(|state| state.calls.iter().filter(|call| call.0 == action).map(|call| call.1.clone()).collect())
    }

    pub fn table(&self, name: &str) -> Value {
        self.with(|state| state.tables[&("db".to_string(), name.to_string())].clone())
    }
}

impl State {
    /// None if the answer is lost.
    fn call(&mut self, action: &str, body: Value) -> Option<Answer> {
        self.calls.push((action.to_string(), body.clone()));
        let fault = self.faults.front().is_some_and(|(of, _)| *of == action).then(|| self.faults.pop_front());
        match fault.flatten().map(|(_, fault)| fault) {
            None => Some(self.act(action, &body)),
            Some(Fault::Refused(code, message)) => Some(Err((code.to_string(), message.to_string()))),
            Some(Fault::LostBefore) => None,
            Some(Fault::LostAfter) => {
                let _ = self.act(action, &body);
                None
            }
            Some(Fault::Outrun(change)) => {
                change(self);
                Some(self.act(action, &body))
            }
            Some(Fault::LostAndTopped(change)) => {
                let _ = self.act(action, &body);
                change(self);
                None
            }
        }
    }

    fn act(&mut self, action: &str, body: &Value) -> Answer {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (database, name) = (text(&body["DatabaseName"]), text(&body["Name"]));
        let missing = |what: &str| Err(("EntityNotFoundException".to_string(), format!("{what} not found.")));
        let input = &body["TableInput"];
        let key = |name: String| (database.clone(), name);
        match action {
            "GetDatabases" => Ok(page(body, "DatabaseList", self.databases.values().cloned().collect())),
            "GetDatabase" => match self.databases.get(&name) {
                Some(found) => Ok(json!({"Database": found})),
                None => missing("Database"),
            },
            "CreateDatabase" => {
                let input = &body["DatabaseInput"];
                if self.databases.contains_key(&text(&input["Name"])) {
                    return Err(("AlreadyExistsException".to_string(), "Database already exists.".to_string()));
                }
                self.databases.insert(text(&input["Name"]), input.clone());
                Ok(json!({}))
            }
            "DeleteDatabase" => {
                self.tables.retain(|(database, _), _| *database != name);
                self.databases.remove(&name).map_or_else(|| missing("Database"), |_| Ok(json!({})))
            }
            "GetTables" if !self.databases.contains_key(&database) => missing("Database"),
            "GetTables" => {
                let tables = self.tables.iter().filter(|((of, _), _)| *of == database);
                Ok(page(body, "TableList", tables.map(|(_, table)| table.clone()).collect()))
            }
            "GetTable" => match self.tables.get(&key(name)) {
                Some(found) => Ok(json!({"Table": found})),
                None => missing("Table"),
            },
            "CreateTable" => {
                let key = key(text(&input["Name"]));
                if self.tables.contains_key(&key) {
                    return Err(("AlreadyExistsException".to_string(), "Table already exists.".to_string()));
                }
                self.put(&database, input.clone());
                Ok(json!({}))
            }
            "UpdateTable" => {
                let Some(found) = self.tables.get(&key(text(&input["Name"]))) else { return missing("Table") };
                if found["VersionId"] != body["VersionId"] {
                    let message = "Update table failed due to concurrent modifications.".to_string();
                    return Err(("ConcurrentModificationException".to_string(), message));
                }
                self.put(&database, input.clone());
                Ok(json!({}))
            }
            "DeleteTable" => self.tables.remove(&key(name)).map_or_else(|| missing("Table"), |_| Ok(json!({}))),
            other => Err(("InvalidInputException".to_string(), format!("{other} is not played"))),
        }
    }

    /// Writes an entry as its next version.
    pub fn put(&mut self, database: &str, mut entry: Value) {
        let key = (database.to_string(), entry["Name"].as_str().unwrap().to_string());
        let version = |found: &Value| found["VersionId"].as_str().unwrap().parse::<u64>().unwrap() + 1;
        let version = self.tables.get(&key).map_or(0, version);
        entry["DatabaseName"] = json!(database);
        entry["VersionId"] = json!(version.to_string());
        self.tables.insert(key, entry);
    }
}

fn page(body: &Value, list: &str, items: Vec<Value>) -> Value {
    let start: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let length = body["MaxResults"].as_u64().unwrap_or(100) as usize;
    let end = items.len().min(start + length);
    let mut answer = json!({list: items[start..end]});
    if end < items.len() {
        answer["NextToken"] = json!(end.to_string());
    }
    answer
}
