//! The lists of a site's nodes.

use worker::SqlStorageValue;
use ztp_core::boot::State;
use ztp_core::fleet::{Place, Sort, rank};

use super::{FleetDatabase, Room, state_at, state_of};
use crate::objects::site::protocol::{NodeQuery, Placed, Reply};

impl FleetDatabase {
    /// The rows that a query selects.
    pub fn nodes(&self, query: &NodeQuery, stalled_before: u64) -> worker::Result<Reply> {
        if !self.is_used()? {
            return Ok(Reply::Nodes {
                rows: Vec::new(),
                more: false,
                total: 0,
            });
        }
        let mut rows: Vec<Placed> = Vec::new();
        // One more than wanted shows whether there are more.
        let wanted = query.limit + 1;
        let mut room = Room::new(query.bytes);
        match query.sort {
            Sort::State => {
                let first = query.after.as_ref().map_or(0, |after| rank(after.state));
                let states = State::ALL.into_iter().skip(first);
                for state in states.filter(|state| query.states.contains(state)) {
                    let after = query.after.as_ref().filter(|after| after.state == state);
                    let mut select = Select::new(stalled_before, query);
                    select.in_state(state);
                    select.after_last(after);
                    let order = "last DESC, node";
                    rows.extend(select.rows(self, order, wanted - rows.len(), &mut room)?);
                    if rows.len() == wanted || room.is_full {
                        break;
                    }
                }
            }
            Sort::Node => {
                let mut select = Select::new(stalled_before, query);
                select.in_states(&query.states);
                if let Some(after) = &query.after {
                    select.and("node > ?", vec![after.node.as_str().into()]);
                }
                rows = select.rows(self, "node", wanted, &mut room)?;
            }
            Sort::Last => {
                let mut select = Select::new(stalled_before, query);
                select.in_states(&query.states);
                select.after_last(query.after.as_ref());
                rows = select.rows(self, "last DESC, node", wanted, &mut room)?;
            }
        }
        let more = rows.len() == wanted || room.is_full;
        rows.truncate(query.limit);
        let mut all = Select::new(stalled_before, query);
        all.in_states(&query.states);
        let total = all.count(self)?;
        Ok(Reply::Nodes { rows, more, total })
    }
}

/// The condition of a query, and its values.
struct Select {
    stalled_before: f64,
    condition: String,
    values: Vec<SqlStorageValue>,
}

impl Select {
    /// The nodes with the text of a query.
    fn new(stalled_before: u64, query: &NodeQuery) -> Self {
        let mut select = Self {
            stalled_before: stalled_before as f64,
            condition: "state IS NOT NULL".to_owned(),
            values: Vec::new(),
        };
        if let Some(text) = &query.text {
            select.and("instr(text, ?) > 0", vec![text.as_str().into()]);
        }
        select
    }

    fn and(&mut self, condition: &str, values: Vec<SqlStorageValue>) {
        self.condition.push_str(" AND ");
        self.condition.push_str(condition);
        self.values.extend(values);
    }

    /// Only one state: a range of the index.
    fn in_state(&mut self, state: State) {
        let stalled_before = self.stalled_before;
        match state {
            State::Stalled | State::Booting => {
                let condition = match state {
                    State::Stalled => "state = ? AND last <= ?",
                    _ => "state = ? AND last > ?",
                };
                let booting = rank(State::Booting) as f64;
                self.and(condition, vec![booting.into(), stalled_before.into()]);
            }
            state => self.and("state = ?", vec![(rank(state) as f64).into()]),
        }
    }

    fn in_states(&mut self, states: &[State]) {
        if states.len() == State::ALL.len() {
            return;
        }
        let ranks: Vec<String> = states
            .iter()
            .map(|state| rank(*state).to_string())
            .collect();
        let condition = format!("{} IN ({})", state_at("?"), ranks.join(", "));
        self.and(&condition, vec![self.stalled_before.into()]);
    }

    /// Only what comes after a place, by the last event and the name.
    fn after_last(&mut self, after: Option<&Place>) {
        if let Some(after) = after {
            let last = after.last as f64;
            let values = vec![last.into(), last.into(), after.node.as_str().into()];
            self.and("last <= ? AND (last < ? OR node > ?)", values);
        }
    }

    fn rows(
        self,
        database: &FleetDatabase,
        order: &str,
        limit: usize,
        room: &mut Room,
    ) -> worker::Result<Vec<Placed>> {
        let statement = format!(
            "SELECT node AS name, state AS place, last AS time, contents AS text FROM (
                SELECT node, state, last FROM node WHERE {} ORDER BY {order} LIMIT ?
            ) CROSS JOIN shown USING (node) ORDER BY {order}",
            self.condition
        );
        let mut values = self.values;
        values.push((limit as f64).into());
        let found = database.rows_within(&statement, values, room)?;
        let placed = found.into_iter().map(|found| {
            let is_stalled = found.time <= self.stalled_before;
            let state = match state_of(found.place) {
                State::Booting if is_stalled => State::Stalled,
                state => state,
            };
            Placed {
                place: Place {
                    state,
                    last: found.time as u64,
                    node: found.name,
                },
                row: found.text,
            }
        });
        Ok(placed.collect())
    }

    fn count(self, database: &FleetDatabase) -> worker::Result<u64> {
        let statement = format!(
            "SELECT count(*) AS number FROM node WHERE {}",
            self.condition
        );
        let counted = database.rows(&statement, self.values)?;
        Ok(counted.first().map_or(0, |counted| counted.number as u64))
    }
}
