//! How the way out is set up: the `upstream` section of the configuration file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guard::Cidr;
use super::proxy::Proxy;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets connections reach every address, this machine's own included. For tests and demonstrations.
    pub dangerous_allow_private_addresses: bool,
    /// Address ranges that may be reached although they are not public: `["10.20.0.0/16"]` for a CRM in the own network.
    #[schemars(with = "Vec<String>")]
    pub allow_addresses: Vec<Cidr>,
    /// The proxy that everything goes out through, such as `http://user:password@proxy:3128`.
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Proxy>,
    /// PEM file with certificate authorities that are trusted in addition to the public ones.
    pub ca_file: Option<PathBuf>,
}
