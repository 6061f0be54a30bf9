//! What a run has asked of source and target so far, and what that costs by the price table of EXPLAIN.
//!
//! The meters are those of the catalogs: what other statements of the same session ask meanwhile is counted, too.

use std::sync::Arc;

use super::plan::Assumptions;
use super::price::{Route, Traffic};
use crate::catalog::{Catalog, TableName};
use crate::engine::Engine;
use crate::storage::MeterReading;

/// Counts from its making on.
pub(crate) struct Spent {
    source: Arc<dyn Catalog>,
    /// None if it is the source's, whose one meter does not tell them apart.
    target: Option<Arc<dyn Catalog>>,
    route: Route,
    assumptions: Arc<Assumptions>,
    before: Traffic,
}

impl Spent {
    pub fn new(
        engine: &Engine,
        source: (&TableName, &Arc<dyn Catalog>),
        target: (&TableName, &Arc<dyn Catalog>),
    ) -> Self {
        let kind = |name: &TableName| engine.catalogs.kind(&name.catalog);
        let mut spent = Self {
            source: Arc::clone(source.1),
            target: (source.0.catalog != target.0.catalog).then(|| Arc::clone(target.1)),
            route: Route::between(&kind(source.0), &kind(target.0)),
            assumptions: Arc::clone(&engine.assumptions),
            before: Traffic::default(),
        };
        spent.before = spent.asked();
        spent
    }

    /// What was asked since.
    pub fn traffic(&self) -> Traffic {
        self.asked() - self.before
    }

    /// What that costs, as if it were the first of its month.
    pub fn dollars(&self) -> f64 {
        self.assumptions.prices.cost(self.route, &self.traffic()).once().0
    }

    fn asked(&self) -> Traffic {
        let source = self.source.meter();
        let target = self.target.as_ref().map(|target| target.meter());
        Traffic::of(
            &source,
            &target.unwrap_or(MeterReading { get_requests: 0, head_requests: 0, catalog_calls: 0, ..source }),
        )
    }
}
