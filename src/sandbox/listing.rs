//! Lists: which records, in which order, which page of them.

use serde_json::{Value, json};

use super::condition::{Condition, Op, Operand, Test};
use super::engine::Asked;
use super::fault::Fault;
use super::language::{Order, Statement};
use super::object::Object;
use super::page::Paging;
use super::rows::{check, matching, resolve, sort};
use super::state::{Held, State};
use super::template::as_text;
use super::view::View;

/// A list that has been asked for, in the vendor's own names.
#[derive(Default)]
struct Wanted {
    select: Vec<String>,
    conditions: Vec<Condition>,
    order: Vec<Order>,
    limit: Option<u64>,
    offset: u64,
}

impl Asked<'_> {
    /// By query parameters or a JSON body.
    pub(super) fn list(&self, state: &mut State) -> Result<Value, Fault> {
        let view = View { plan: self.plan, state };
        let object = self.object()?;
        let mut wanted = Wanted { select: self.selection(&view, object)?, ..Wanted::default() };
        for filter in &self.route.filters {
            let Some(value) = filter.value.render(&self.scope)?.filter(|value| !value.is_null()) else { continue };
            let values = match (value, &filter.split) {
                (Value::Array(values), _) => values,
                (value, Some(split)) => {
                    as_text(&value).unwrap_or_default().split(split.as_str()).map(Value::from).collect()
                }
                (value, None) => vec![value],
            };
            let values = values.into_iter().map(|value| Operand { value, kind: None }).collect();
            wanted.conditions.push(Condition::Test(Test { column: filter.column.clone(), op: filter.op, values }));
        }
        wanted.conditions.extend(self.body_conditions()?);
        if let Some((language, text)) = self.written(self.route.filter.as_ref())? {
            wanted.conditions.extend(language.conditions(&text).map_err(bad_query)?);
        }
        wanted.order = match self.written(self.route.order.as_ref())? {
            Some((language, text)) => language.order(&text).map_err(bad_query)?,
            None => self.body_order()?,
        };
        let strict = self.language(self.route.filter.as_ref()).is_some_and(|language| language.is_strict());
        self.text_search(&mut wanted)?;
        self.run(state, object, wanted, strict)
    }

    /// By a statement.
    pub(super) fn query(&self, state: &mut State) -> Result<Value, Fault> {
        let missing = || Fault::new("bad_query").with("message", "no query").with("near", "").with("at", 0);
        let (language, text) = self.written(self.route.statement.as_ref())?.ok_or_else(missing)?;
        let Statement { select, from, conditions, order, limit, offset } =
            language.statement(&text).map_err(bad_query)?;
        let name = from.or_else(|| self.route.object.clone()).unwrap_or_default();
        let object = self.plan.object(&name).ok_or_else(|| Fault::new("unknown_object").with("object", name))?;
        let view = View { plan: self.plan, state };
        let resolved = select.iter().map(|name| resolve(&view, object, name)).collect::<Result<Vec<_>, _>>()?;
        let wanted = Wanted {
            select: resolved,
            conditions: conditions.into_iter().collect(),
            order,
            limit,
            offset: offset.unwrap_or(0),
        };
        self.run(state, object, wanted, language.is_strict())
    }

    /// The next page of a held list. The position is `<token>-<row>`.
    pub(super) fn continued(&self, state: &State) -> Result<Value, Fault> {
        let bad = || Fault::new("bad_cursor");
        let at = match &self.route.page.at {
            Some(at) => at.render_text(&self.scope)?,
            None => self.scope.get("at").and_then(as_text),
        };
        let at = at.ok_or_else(bad)?;
        let (token, row) = at.rsplit_once('-').ok_or_else(bad)?;
        let number = self.plan.routes.iter().filter_map(|route| route.page.token.as_ref()?.number(token)).next();
        let held = number.and_then(|number| state.held(number)).ok_or_else(bad)?;
        let row: usize = row.parse().map_err(|_| bad())?;
        if row == 0 || row >= held.rows.len() {
            return Err(bad());
        }
        let object = self.plan.object(&held.object).ok_or_else(bad)?;
        let size = self.size(&self.route.page)?.unwrap_or(held.size);
        self.held_page(state, object, held, token, row, size)
    }

    fn run(&self, state: &mut State, object: &Object, mut wanted: Wanted, strict: bool) -> Result<Value, Fault> {
        let view = View { plan: self.plan, state };
        for condition in &mut wanted.conditions {
            check(&view, object, condition, strict)?;
        }
        for order in &mut wanted.order {
            order.column = resolve(&view, object, &order.column)?;
        }
        let condition = Condition::All(std::mem::take(&mut wanted.conditions));
        let mut rows = matching(&view, object, &condition)?;
        sort(&view, object, &wanted.order, &mut rows)?;
        let skipped = usize::try_from(wanted.offset).unwrap_or(usize::MAX).min(rows.len());
        rows.drain(..skipped);
        rows.truncate(wanted.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));

        let page = &self.route.page;
        let size = self.size(page)?.unwrap_or_else(|| page.default.min(page.max));
        let total = rows.len();
        if page.kind == Paging::Held {
            let held = Held { object: object.name.clone(), rows, select: wanted.select, size };
            let Some(ids) = &page.token else { return Err(Fault::broken("a held list without a token".to_owned())) };
            let number = ids.from.saturating_add(state.next_held);
            let token = ids.write(number);
            let answer = self.held_page(state, object, &held, &token, 0, size)?;
            if usize::try_from(size).is_ok_and(|size| size < total) {
                state.next_held += 1;
                state.hold(number, held);
            }
            return Ok(answer);
        }
        let start = self.start(object, &rows, size)?;
        let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(total);
        let shown = rows.get(start.min(end)..end).unwrap_or_default();
        let next = (end < total).then(|| match page.kind {
            Paging::Key => shown.last().map_or(Value::Null, |number| Value::String(object.ids.write(*number))),
            Paging::Number => Value::String((start as u64 / size.max(1) + 2).to_string()),
            _ => Value::String(end.to_string()),
        });
        self.answer_rows(&view, object, shown, &wanted.select, total, start, size, next)
    }

    fn text_search(&self, wanted: &mut Wanted) -> Result<(), Fault> {
        let Some(text) = &self.route.text else { return Ok(()) };
        let Some(value) = text.value.render_text(&self.scope)?.filter(|value| !value.is_empty()) else { return Ok(()) };
        let operand = Operand { value: Value::String(value), kind: None };
        let test = |column: &String| {
            Condition::Test(Test { column: column.clone(), op: Op::Contains, values: vec![operand.clone()] })
        };
        let object = self.object()?;
        let there = text.columns.iter().filter(|column| object.columns.contains_key(*column));
        wanted.conditions.push(Condition::Any(there.map(test).collect()));
        Ok(())
    }

    fn held_page(
        &self,
        state: &State,
        object: &Object,
        held: &Held,
        token: &str,
        row: usize,
        size: u64,
    ) -> Result<Value, Fault> {
        let view = View { plan: self.plan, state };
        let end = row.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(held.rows.len());
        let next = (end < held.rows.len()).then(|| Value::String(format!("{token}-{end}")));
        let shown = held.rows.get(row..end).unwrap_or_default();
        self.answer_rows(&view, object, shown, &held.select, held.rows.len(), row, size, next)
    }

    #[expect(clippy::too_many_arguments, reason = "the members of one answer")]
    fn answer_rows(
        &self,
        view: &View,
        object: &Object,
        rows: &[u64],
        select: &[String],
        total: usize,
        start: usize,
        size: u64,
        next: Option<Value>,
    ) -> Result<Value, Fault> {
        let table = view.state.table(&object.name);
        let mut records = Vec::with_capacity(rows.len());
        for record in rows.iter().filter_map(|number| table?.rows.get(number)) {
            let linked = self.included(view, object, record)?;
            records.push(view.show(object, record, select, linked)?);
        }
        let mut members = json!({
            "object": object.name, "records": records, "total": total, "offset": start, "size": size,
            "done": next.is_none(),
        });
        if let (Some(map), Some(next)) = (members.as_object_mut(), next) {
            map.insert("next".to_owned(), next);
        }
        Ok(members)
    }
}

fn bad_query(fault: super::language::Fault) -> Fault {
    Fault::new("bad_query").with("message", fault.message).with("near", fault.near).with("at", fault.at)
}
