//! Variable groups of v3. Secure values never come back.

use super::reply::{error, v3_error};
use super::{Call, Family, v3};
use crate::http::Response;
use crate::variables::{Group, Owner, Variable};
use crate::world::World;
use serde_json::{Value, json};

/// Answers paths about variable groups; `None` for all others.
pub(crate) fn route(world: &mut World, call: &Call<'_>) -> Option<Response> {
    match call.segments {
        ["apps", id, "variable-groups"] => Some(match v3::find_app(world, id) {
            Ok(_) => groups(world, call, &Owner::App((*id).to_owned())),
            Err(response) => *response,
        }),
        ["teams", id, "variable-groups"] if *id == world.config.team_id => {
            Some(groups(world, call, &Owner::Team((*id).to_owned())))
        }
        ["variable-groups", id] => Some(group(world, call, id)),
        ["variable-groups", id, "variables"] => Some(variables(world, call, id)),
        ["variable-groups", id, "variables", variable] => Some(one_variable(world, call, id, variable)),
        _ => None,
    }
}

fn not_allowed() -> Response {
    error(Family::V3, 405, "Method Not Allowed")
}

fn missing(what: &str) -> Response {
    error(Family::V3, 404, &format!("{what} not found"))
}

fn refused(what: &str) -> Response {
    v3_error(400, what, json!({}))
}

fn groups(world: &mut World, call: &Call<'_>, owner: &Owner) -> Response {
    match call.method {
        "GET" => {
            let all: Vec<Value> = world.variables.groups.iter().filter(|g| g.owner == *owner).map(short).collect();
            v3::page(call, &all, 30)
        }
        "POST" => {
            let body = call.request.json().unwrap_or_default();
            let Some(name) = body["name"].as_str().filter(|n| !n.contains(['.', '$'])) else {
                return refused("Invalid variable group name");
            };
            if matches!(owner, Owner::Team(_)) && !body["advanced_security"].is_object() {
                return refused("advanced_security is required");
            }
            let group = Group {
                id: world.ids.object_id(world.clock.now()),
                name: name.to_owned(),
                owner: owner.clone(),
                advanced_security: body["advanced_security"].clone(),
                variables: Vec::new(),
            };
            let answer = Response::json(201, &json!({"data": short(&group)}));
            world.variables.groups.push(group);
            answer
        }
        _ => not_allowed(),
    }
}

fn short(group: &Group) -> Value {
    json!({"id": group.id, "name": group.name})
}

fn group(world: &mut World, call: &Call<'_>, id: &str) -> Response {
    let Some(at) = world.variables.groups.iter().position(|g| g.id == id) else {
        return missing("Variable group");
    };
    match call.method {
        "GET" => {
            let group = &world.variables.groups[at];
            let mut data = short(group);
            if matches!(group.owner, Owner::Team(_)) {
                data["advanced_security"] = group.advanced_security.clone();
            }
            Response::json(200, &json!({"data": data}))
        }
        "PATCH" => {
            let body = call.request.json().unwrap_or_default();
            if let Some(name) = body["name"].as_str() {
                name.clone_into(&mut world.variables.groups[at].name);
            }
            Response::empty(204)
        }
        "DELETE" => {
            world.variables.groups.remove(at);
            Response::empty(204)
        }
        _ => not_allowed(),
    }
}

fn show(variable: &Variable) -> Value {
    let value = if variable.secure { None } else { Some(&variable.value) };
    json!({"id": variable.id, "name": variable.name, "secure": variable.secure, "value": value})
}

fn variables(world: &mut World, call: &Call<'_>, id: &str) -> Response {
    let World { variables, ids, clock, .. } = world;
    let Some(group) = variables.groups.iter_mut().find(|g| g.id == id) else {
        return missing("Variable group");
    };
    match call.method {
        "GET" => {
            let search = call.request.query_one("search").unwrap_or_default();
            let all: Vec<Value> = group.variables.iter().filter(|v| v.name.contains(&search)).map(show).collect();
            v3::page(call, &all, 30)
        }
        "POST" => {
            let body = call.request.json().unwrap_or_default();
            let (Some(secure), Some(new)) = (body["secure"].as_bool(), body["variables"].as_array()) else {
                return refused("secure and variables are required");
            };
            for variable in new {
                let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) else {
                    return refused("name and value of a variable must be strings");
                };
                group.variables.retain(|v| v.name != name);
                let id = ids.object_id(clock.now());
                group.variables.push(Variable { id, name: name.to_owned(), value: value.to_owned(), secure });
            }
            Response::empty(201)
        }
        _ => not_allowed(),
    }
}

fn one_variable(world: &mut World, call: &Call<'_>, group: &str, id: &str) -> Response {
    let group = world.variables.groups.iter_mut().find(|g| g.id == group);
    let Some((group, at)) = group.and_then(|g| {
        let at = g.variables.iter().position(|v| v.id == id)?;
        Some((g, at))
    }) else {
        return missing("Variable");
    };
    match call.method {
        "GET" => Response::json(200, &json!({"data": show(&group.variables[at])})),
        "PATCH" => {
            let body = call.request.json().unwrap_or_default();
            let variable = &mut group.variables[at];
            if let Some(name) = body["name"].as_str() {
                name.clone_into(&mut variable.name);
            }
            if let Some(value) = body["value"].as_str() {
                value.clone_into(&mut variable.value);
            }
            variable.secure = body["secure"].as_bool().unwrap_or(variable.secure);
            Response::empty(204)
        }
        "DELETE" => {
            group.variables.remove(at);
            Response::empty(204)
        }
        _ => not_allowed(),
    }
}
