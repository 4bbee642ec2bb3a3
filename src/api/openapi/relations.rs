//! The operations on what records hang together with, and on the types of custom objects.

use super::operation::Operation as Described;
use super::parameters;
use super::problems;
use super::served::Served;
use crate::model::Operation;

/// An operation on associations, where some provider can do it with some other resource.
fn associating(served: &Served<'_>, operation: Operation, id: &str, summary: String) -> Option<Described> {
    let others: Vec<String> = served.associated(operation).into_iter().map(|other| format!("`{other}`")).collect();
    if others.is_empty() {
        return None;
    }
    let scope = if operation.is_write() { "write" } else { "read" };
    let described = Described::new(id, served.tag(), summary).about(format!("Needs the scope `{scope}`."));
    Some(described.about(format!("The other resource is one of {}.", others.join(", "))))
}

pub fn list(served: &Served<'_>) -> Option<Described> {
    let summary = format!("List what {} is associated with", served.a);
    let described = associating(served, Operation::Associations, &format!("list{}Associations", served.one), summary)?;
    Some(
        described
            .parameters(parameters::paged())
            .parameters(parameters::read())
            .answer(
                200,
                "The records of the other resource.",
                "AssociationPage",
                "AssociationPage",
                &["Link", "ETag", "Cache-Status", "Cache-Control", "Age"],
            )
            .known()
            .problems(&problems::ASSOCIATIONS),
    )
}

pub fn add(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Associate {} with another record", served.a);
    let described = associating(served, Operation::Associate, &format!("associate{}", served.one), summary)?;
    Some(
        described
            .parameters(parameters::written())
            .optional_body("AssociationWrite", "AssociationWrite")
            .answer(
                200,
                "They are associated.",
                "Association",
                "Association",
                &["Throughline-Warning", "Idempotency-Replayed"],
            )
            .problems(&problems::UPDATE),
    )
}

pub fn remove(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Part {} from another record", served.a);
    let described = associating(served, Operation::Dissociate, &format!("dissociate{}", served.one), summary)?;
    Some(described.parameters(parameters::written()).done("They are not associated.").problems(&problems::DELETE))
}

pub fn types(served: &Served<'_>) -> Option<Described> {
    if served.able(Operation::Types).is_empty() {
        return None;
    }
    Some(
        Described::new("listCustomObjectTypes", served.tag(), "List the types of custom objects")
            .about("Needs the scope `read`.")
            .parameters(parameters::read())
            .answer(
                200,
                "The types of the customer's account.",
                "CustomObjectTypePage",
                "CustomObjectTypePage",
                &["ETag", "Cache-Status", "Cache-Control", "Age"],
            )
            .known()
            .problems(&problems::ACCOUNT),
    )
}
