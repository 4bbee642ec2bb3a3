//! All that is known of providers: reads `mappings/`, validates it, and holds the result, which never changes.

mod association;
mod batch;
mod build;
mod coverage;
mod credentials;
mod errors;
mod facts;
mod field;
mod filter;
mod grant;
mod hosts;
mod leaf;
mod load;
mod metadata;
mod overlay;
mod passthrough;
mod provider;
mod reload;
mod resource;
mod source;
pub mod spec;
pub mod structure;
mod suggest;
mod table;
mod template;
mod types;
mod unread;
mod upsert;
mod variant;

pub use association::{Association, Requests};
pub use batch::Batch;
pub use build::Located;
pub use coverage::{Coverage, FieldCoverage, FilterCoverage, OperationCoverage, ResourceCoverage};
pub use credentials::{CREDENTIAL_KINDS, Carried, basic_user};
pub use errors::{Classified, ErrorRules};
pub use field::{Field, Place, Shape, Source, Table, Target, Values};
pub use filter::FilterRule;
pub use grant::{Addresses, Endpoint, Grant, Said};
pub use leaf::Leaf;
pub use load::{Catalog, Files, Options, resource_node};
pub use metadata::{AccountField, Metadata, describe};
pub use overlay::{Layer, MAX_OVERRIDE, Overlays, check_form, layers};
pub use passthrough::Passthrough;
pub use provider::{Provider, Setting};
pub use reload::{Reloader, Sources};
pub use resource::{Resource, Select};
pub use source::{Kind as NodeKind, Node, Problem};
pub use spec::{ClientProof, Flow, Refusal, Rotation, Unauthorized};
pub use suggest::nearest;
pub use template::{COMPONENT, Template};
pub use types::{ObjectType, Types};
pub use upsert::{ANY_CUSTOM, Upsert, matches_by};
pub use variant::{Accepts, Answer, Count, Next, RequestShape, Step, Variant};

/// The present catalog. Whoever needs it for one request takes one snapshot and keeps to it.
pub type Shared = std::sync::Arc<arc_swap::ArcSwap<Catalog>>;
