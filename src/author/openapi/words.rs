//! What vendors call things: guesses from names to unified resources and fields. Data, not code; a guess that is wrong is
//! mended in the file that was written.

/// Resource, and the words that vendors use for its records, the likeliest first.
const RESOURCES: &[(&str, &[&str])] = &[
    ("contacts", &["contact", "person", "people", "customer", "client"]),
    ("companies", &["company", "organization", "organisation", "account", "business", "firm"]),
    ("deals", &["deal", "opportunity"]),
    ("leads", &["lead", "prospect"]),
    ("users", &["user", "owner", "member", "teammember", "agent", "admin", "employee"]),
    ("tasks", &["task", "todo"]),
    ("notes", &["note"]),
    ("calls", &["call", "calllog", "phonecall"]),
    ("meetings", &["meeting", "event", "appointment"]),
    ("emails", &["email"]),
    ("messages", &["message"]),
    ("activities", &["activity"]),
    ("products", &["product", "item"]),
    ("pipelines", &["pipeline"]),
    ("lists", &["list", "contactlist"]),
];

/// Unified field, and what it is called, the likeliest first. Its own name goes before all of them.
const FIELDS: &[(&str, &[&str])] = &[
    ("id", &["uuid", "guid", "objectid", "recordid"]),
    (
        "created_at",
        &[
            "created",
            "createtime",
            "createdtime",
            "creationtime",
            "datecreated",
            "createddate",
            "creationdate",
            "addtime",
            "createdon",
            "insertedat",
        ],
    ),
    (
        "updated_at",
        &[
            "updated",
            "updatetime",
            "updatedtime",
            "modified",
            "modifiedat",
            "modifiedtime",
            "lastmodified",
            "lastmodifiedat",
            "lastmodifieddate",
            "datemodified",
            "dateupdated",
            "modifiedon",
            "updateddate",
            "lastupdated",
            "lastupdatedtime",
        ],
    ),
    (
        "name",
        &["fullname", "displayname", "title", "companyname", "productname", "dealname", "opportunitytitle", "label"],
    ),
    ("first_name", &["givenname", "forename", "fname"]),
    ("last_name", &["familyname", "surname", "lname"]),
    ("middle_name", &["additionalname"]),
    ("salutation", &["prefix", "honorific", "nameprefix"]),
    ("suffix", &["namesuffix"]),
    ("title", &["jobtitle", "position", "subject"]),
    ("birthday", &["birthdate", "dateofbirth", "dob"]),
    ("language", &["locale", "preferredlocale", "preferredlanguage"]),
    ("description", &["about", "bio", "summary", "details", "notes"]),
    ("lead_source", &["source", "sourcename", "leadsourcename"]),
    ("currency", &["currencycode", "currencyisocode"]),
    ("amount", &["value", "dealvalue", "total", "estimatedvalue"]),
    ("domain", &["domainname"]),
    ("website", &["url", "homepage", "websiteurl", "web"]),
    ("employees", &["numberofemployees", "employeecount", "size"]),
    ("annual_revenue", &["revenue", "yearlyrevenue"]),
    ("registration_number", &["registrationnumber", "vatnumber"]),
    ("company_name", &["company", "organizationname", "accountname"]),
    ("close_date", &["expectedclosedate", "estimatedclosedate", "closingdate", "estimatedclosetime"]),
    ("closed_at", &["closetime", "closedtime"]),
    ("lost_reason", &["lossreason"]),
    ("subject", &["title", "name"]),
    ("body", &["content", "text", "description", "note", "notes", "details", "message"]),
    ("due_date", &["due", "dueon"]),
    ("due_at", &["due", "duetime", "deadline", "duedatetime"]),
    ("completed_at", &["completedtime", "completiontime", "donetime"]),
    ("starts_at", &["start", "starttime", "startat", "startdatetime", "startdate"]),
    ("ends_at", &["end", "endtime", "endat", "enddatetime", "enddate"]),
    ("started_at", &["starttime", "startedtime", "calledat", "calltime"]),
    ("duration_seconds", &["durationseconds", "duration", "callduration"]),
    ("from", &["fromnumber", "fromphonenumber"]),
    ("to", &["tonumber", "tophonenumber"]),
    ("code", &["sku", "productcode"]),
    ("price", &["unitprice", "listprice", "productprice"]),
    ("category", &["categoryname"]),
    ("active", &["isactive", "activeflag", "enabled"]),
    ("time_zone", &["timezone", "tz"]),
    ("email", &["emailaddress", "mail"]),
    ("phone", &["phonenumber", "mobile", "telephone"]),
    ("tags", &["labels", "tagnames"]),
    ("owner", &["ownerid", "assignee", "assigneeid", "assignedto", "assignedtoid", "userid", "responsibleid"]),
    ("company", &["companyid", "organization", "organizationid", "orgid", "account", "accountid"]),
    ("contact", &["contactid", "person", "personid"]),
    ("parent", &["parentid", "parentcompanyid", "parentaccountid"]),
    ("pipeline", &["pipelineid"]),
    ("stage", &["stageid", "dealstage"]),
    ("custom_fields", &["customattributes", "customproperties", "customfieldvalues"]),
];

/// Columns of one thing each, that make a list: the list, the column's names, and the type of the place.
pub const PLACES: &[(&str, &str, &[&str])] = &[
    ("emails", "work", &["email", "emailaddress", "primaryemail", "workemail", "email1", "mail"]),
    ("emails", "home", &["personalemail", "homeemail", "privateemail"]),
    ("emails", "other", &["email2", "secondaryemail", "alternateemail", "otheremail"]),
    ("phones", "work", &["phone", "phonenumber", "workphone", "businessphone", "officephone", "phone1", "telephone"]),
    ("phones", "mobile", &["mobile", "mobilephone", "cellphone", "mobilenumber", "cell"]),
    ("phones", "home", &["homephone", "privatephone"]),
    ("phones", "fax", &["fax", "faxnumber"]),
    ("phones", "other", &["otherphone", "phone2"]),
];

/// Lists that vendors keep as lists of objects or texts.
pub const LISTS: &[(&str, &[&str])] = &[
    ("emails", &["emails", "emailaddresses"]),
    ("phones", &["phones", "phonenumbers"]),
    ("addresses", &["addresses", "postaladdresses"]),
];

/// The parts of such entries.
pub const ITEMS: &[(&str, &[&str])] = &[
    ("email", &["email", "value", "address", "emailaddress"]),
    ("number", &["number", "value", "phone", "phonenumber"]),
    ("type", &["type", "label", "kind", "field", "category"]),
    ("primary", &["primary", "isprimary", "default"]),
];

/// One address, as an object.
pub const ADDRESS: &[&str] = &["address", "postaladdress", "mailingaddress", "primaryaddress", "location"];

/// The parts of an address.
pub const STREET: &[(&str, &[&str])] = &[
    ("street", &["street", "line1", "street1", "addressline1", "address1", "streetaddress"]),
    ("city", &["city", "locality", "town"]),
    ("state", &["state", "region", "province", "adminarealevel1"]),
    ("postal_code", &["postalcode", "zip", "zipcode", "postcode"]),
    ("country", &["country", "countrycode", "countryname"]),
];

/// Parameters and answers of lists.
pub const LIMIT: &[&str] = &["limit", "pagesize", "perpage", "pagelimit", "maxresults", "count", "size", "top"];
pub const CURSOR: &[&str] = &[
    "cursor",
    "pagetoken",
    "startingafter",
    "after",
    "nextcursor",
    "pagecursor",
    "continuationtoken",
    "nextpagetoken",
];
pub const OFFSET: &[&str] = &["offset", "start", "skip", "startat"];
pub const PAGE: &[&str] = &["page", "pagenumber", "pageno"];
pub const SEARCH: &[&str] = &["q", "query", "search", "term", "searchterm"];
pub const SINCE: &[&str] = &["updatedsince", "modifiedsince", "updatedafter", "modifiedafter", "since"];
pub const NEXT: &[&str] =
    &["nextcursor", "nextpagetoken", "nextpage", "cursor", "next", "startingafter", "after", "pagetoken"];
pub const ROWS: &[&str] = &["data", "results", "items", "records", "list", "values"];

/// Letters and digits alone, so that `first_name`, `firstName` and `First-Name` are one.
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

pub fn is(name: &str, words: &[&str]) -> bool {
    words.contains(&plain(name).as_str())
}

/// Whether a name says what one record of a collection is: `person` of `people`, `company` of `companies`.
pub fn is_one_of(name: &str, collection: &str) -> bool {
    let same = |name: &str| resource(name).map(|(resource, _)| resource);
    plain(name) == singular(&plain(collection)) || same(name).is_some() && same(name) == same(collection)
}

/// The unified resource that a path's last segment names, and how sure that is (0 is best).
pub fn resource(segment: &str) -> Option<(&'static str, usize)> {
    let word = plain(segment.split('.').next().unwrap_or(segment));
    RESOURCES.iter().find_map(|(resource, words)| {
        let rank = words.iter().position(|known| *known == word || *known == singular(&word))?;
        Some((*resource, rank))
    })
}

/// What a field may be called, the likeliest first.
pub fn names(field: &str) -> Vec<String> {
    let own = plain(field);
    let others = FIELDS.iter().find(|(known, _)| *known == field).map(|(_, names)| *names).unwrap_or_default();
    let others = others.iter().map(|name| (*name).to_owned()).filter(|name| *name != own);
    std::iter::once(own.clone()).chain(others).collect()
}

pub fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let sibilant = ["sses", "xes", "ches", "shes"].iter().any(|end| word.ends_with(end));
    let stem = if sibilant { word.strip_suffix("es") } else { word.strip_suffix('s') };
    stem.filter(|_| !word.ends_with("ss")).unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_name_resources() {
        for (segment, expected) in [
            ("contacts", Some("contacts")),
            ("People", Some("contacts")),
            ("organisations.json", Some("companies")),
            ("opportunities", Some("deals")),
            ("callLogs", Some("calls")),
            ("businesses", Some("companies")),
            ("dealFields", None),
        ] {
            assert_eq!(resource(segment).map(|(resource, _)| resource), expected, "{segment}");
        }
    }
}
