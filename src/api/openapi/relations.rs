//! The operations on what is known at run time only: associations and custom objects.

use super::operation::Operation;
use super::parameters;
use super::problems;
use super::served::Served;

const OBJECTS: &str = "Custom objects";

pub fn list(served: &Served<'_>) -> Option<Operation> {
    let summary = format!("List what one of the {} is associated with", served.words());
    Some(
        Operation::new(format!("list{}Associations", served.one), served.tag(), summary)
            .about("Needs the scope `read`.")
            .parameters(parameters::connected())
            .answer(
                200,
                "The other side, with the labels of each association.",
                "AssociationList",
                "AssociationList",
                &[],
            )
            .problems(&problems::GET),
    )
}

pub fn add(served: &Served<'_>) -> Option<Operation> {
    let summary = format!("Associate one of the {} with another record", served.words());
    Some(
        Operation::new(format!("associate{}", served.one), served.tag(), summary)
            .about("Needs the scope `write`.")
            .parameters(parameters::connected())
            .done("They are associated.")
            .problems(&problems::UPDATE),
    )
}

pub fn remove(served: &Served<'_>) -> Option<Operation> {
    let summary = format!("Part one of the {} from another record", served.words());
    Some(
        Operation::new(format!("dissociate{}", served.one), served.tag(), summary)
            .about("Needs the scope `write`.")
            .parameters(parameters::connected())
            .done("They are not associated.")
            .problems(&problems::DELETE),
    )
}

fn object(id: &str, summary: &str, scope: &str) -> Operation {
    Operation::new(id, OBJECTS, summary)
        .about(format!("Needs the scope `{scope}`."))
        .parameters(parameters::connected())
}

pub fn object_types() -> Operation {
    object("listCustomObjectTypes", "List the kinds of custom objects", "read")
        .answer(200, "The kinds that the account has.", "CustomObjectTypePage", "CustomObjectTypePage", &[])
        .problems(&problems::GET)
}

pub fn list_objects() -> Operation {
    object("listCustomObjects", "List the records of a kind", "read")
        .parameters(parameters::paged())
        .answer(200, "A page.", "CustomObjectPage", "CustomObjectPage", &["Throughline-Warning", "Link"])
        .problems(&problems::LIST)
}

pub fn create_object() -> Operation {
    object("createCustomObject", "Create a record of a kind", "write")
        .body("CustomObjectWrite", "CustomObjectWrite")
        .answer(201, "The new record.", "CustomObject", "CustomObject", &["Throughline-Warning", "Location"])
        .problems(&problems::CREATE)
}

pub fn get_object() -> Operation {
    object("getCustomObject", "Get a record of a kind", "read")
        .answer(200, "The record.", "CustomObject", "CustomObject", &["Throughline-Warning"])
        .problems(&problems::GET)
}

pub fn update_object() -> Operation {
    object("updateCustomObject", "Update a record of a kind", "write")
        .patch("CustomObjectWrite", "CustomObjectWrite")
        .answer(200, "The record.", "CustomObject", "CustomObject", &["Throughline-Warning"])
        .problems(&problems::UPDATE)
}

pub fn delete_object() -> Operation {
    object("deleteCustomObject", "Delete a record of a kind", "write").done("It is gone.").problems(&problems::DELETE)
}
