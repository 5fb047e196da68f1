//! Variable groups. Plain data.

use serde_json::Value;

/// Whom a group belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    App(String),
    Team(String),
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) advanced_security: Value,
    pub(crate) variables: Vec<Variable>,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secure: bool,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct VariableGroups {
    pub(crate) groups: Vec<Group>,
}
