//! What ships inside the Worker and is served while nothing of its name is stored.

/// The client script, GET /bootstrap.
pub const BOOTSTRAP: &str = include_str!("../assets/bootstrap");

/// The description of the API, GET /openapi.yaml.
pub const OPENAPI: &str = include_str!("../assets/openapi.yaml");

/// The stock actions, by name.
const ACTIONS: [(&str, &str); 2] = [
    ("add_config", include_str!("../assets/actions/add_config")),
    (
        "replace_config",
        include_str!("../assets/actions/replace_config"),
    ),
];

/// The stock action of that name.
pub fn action(name: &str) -> Option<&'static str> {
    ACTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
