//! What a statement would do to the tables of attached catalogs.

use super::Engine;
use crate::sql::{self, Effect};

impl Engine {
    /// What a statement would do, told from its words. Tables of DataFusion's own come and go with the session.
    pub fn effect(&self, sql: &str) -> Effect {
        match sql::effect(sql) {
            Effect::Adds | Effect::Changes if sql::makes_or_drops(sql) && self.concerns_datafusion(sql) => {
                Effect::Session
            }
            effect => effect,
        }
    }
}
