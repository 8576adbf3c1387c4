//! The records of one node, read together.

use super::Storage;
use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::{Record, folder};
use crate::runtime::{Held, Texts};

impl Storage {
    /// Those of `records` that are stored of a node, in one operation.
    pub async fn records(&self, node: &NodeId, records: &[Record]) -> Result<Records, Error> {
        self.count(|n| n.kv_reads += 1);
        let folder = folder(node);
        let names = records.iter().map(|record| record.name());
        let texts = match self.bindings.data.get_all(&folder, names).await {
            Ok(texts) => RecordTexts::Texts(texts),
            // KV refuses to answer more than 25 MB at once, and a startup-config may have that much.
            Err(_) => RecordTexts::OneByOne(self.one_by_one(node, records).await?),
        };
        Ok(Records {
            names: records.to_vec(),
            texts,
        })
    }

    async fn one_by_one(
        &self,
        node: &NodeId,
        records: &[Record],
    ) -> Result<Vec<Option<String>>, Error> {
        let mut found = Vec::new();
        for record in records {
            let bytes = self.record(node, *record).await?;
            let text = |bytes: Held| String::from_utf8_lossy(&bytes.to_vec()).into_owned();
            found.push(bytes.map(text));
        }
        Ok(found)
    }
}

/// The records of a node that are stored, as text. Only those that are asked for are made texts here.
pub struct Records {
    names: Vec<Record>,
    texts: RecordTexts,
}

/// Texts in the order of the records.
enum RecordTexts {
    Texts(Texts),
    OneByOne(Vec<Option<String>>),
}

impl Records {
    /// The text of a record.
    pub fn get(&self, record: Record) -> Option<String> {
        let index = self.names.iter().position(|name| *name == record)?;
        match &self.texts {
            RecordTexts::Texts(texts) => texts.get(index),
            RecordTexts::OneByOne(texts) => texts.get(index)?.clone(),
        }
    }

    /// Whether a record is stored, empty or not.
    pub fn has(&self, record: Record) -> bool {
        let index = self.names.iter().position(|name| *name == record);
        index.is_some_and(|index| match &self.texts {
            RecordTexts::Texts(texts) => texts.has(index),
            RecordTexts::OneByOne(texts) => texts.get(index).is_some_and(Option::is_some),
        })
    }

    /// Whether any record is stored.
    pub fn any(&self) -> bool {
        self.names.iter().any(|record| self.has(*record))
    }
}
