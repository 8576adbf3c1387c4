//! What ships inside the Worker and is served while nothing of its name is stored.

/// The client script, GET /bootstrap.
pub const BOOTSTRAP: &str = include_str!("../assets/bootstrap");

/// The description of the API, GET /openapi.yaml.
pub const OPENAPI: &str = include_str!("../assets/openapi.yaml");

/// A stock action: its name, and its text from assets/actions.
macro_rules! stock {
    ($name:literal) => {
        ($name, include_str!(concat!("../assets/actions/", $name)))
    };
}

/// The stock actions, by name.
const ACTIONS: &[(&str, &str)] = &[
    stock!("add_config"),
    stock!("configure_ansible_client"),
    stock!("copy_file"),
    stock!("install_cli_plugin"),
    stock!("install_extension"),
    stock!("install_image"),
    stock!("replace_config"),
    stock!("run_bash_script"),
    stock!("run_cli_commands"),
    stock!("send_email"),
    stock!("verify_image"),
];

/// The stock action of that name.
pub fn action(name: &str) -> Option<&'static str> {
    ACTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
