//! The content that ships inside the Worker: the default while no content of the same name is stored.

/// The client script, GET /bootstrap.
pub const BOOTSTRAP: &str = include_str!("../../../assets/bootstrap");

/// The OpenAPI description, GET /openapi.yaml.
pub const OPENAPI: &str = include_str!("../../../assets/openapi.yaml");

/// The stock actions, by name.
const ACTIONS: [(&str, &str); 11] = [
    (
        "add_config",
        include_str!("../../../assets/actions/add_config"),
    ),
    (
        "configure_ansible_client",
        include_str!("../../../assets/actions/configure_ansible_client"),
    ),
    (
        "copy_file",
        include_str!("../../../assets/actions/copy_file"),
    ),
    (
        "install_cli_plugin",
        include_str!("../../../assets/actions/install_cli_plugin"),
    ),
    (
        "install_extension",
        include_str!("../../../assets/actions/install_extension"),
    ),
    (
        "install_image",
        include_str!("../../../assets/actions/install_image"),
    ),
    (
        "replace_config",
        include_str!("../../../assets/actions/replace_config"),
    ),
    (
        "run_bash_script",
        include_str!("../../../assets/actions/run_bash_script"),
    ),
    (
        "run_cli_commands",
        include_str!("../../../assets/actions/run_cli_commands"),
    ),
    (
        "send_email",
        include_str!("../../../assets/actions/send_email"),
    ),
    (
        "verify_image",
        include_str!("../../../assets/actions/verify_image"),
    ),
];

/// The stock action of that name.
pub fn action(name: &str) -> Option<&'static str> {
    ACTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// The names of all stock actions.
pub fn action_names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_in_the_folder_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/actions");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name());
        let mut files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, action_names().collect::<Vec<_>>());
    }
}
