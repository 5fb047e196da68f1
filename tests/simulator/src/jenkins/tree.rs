//! The `tree` parameter: which properties an answer shows, and which part of its lists.

use serde_json::{Map, Value};

/// A property of a tree, with those below it and a range of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    name: String,
    below: Vec<Node>,
    range: Option<(usize, usize)>,
}

/// Cuts an answer down to what `tree` names; `_class` stays everywhere. What is no tree leaves all there is.
pub(crate) fn prune(value: &Value, tree: &str) -> Value {
    let chars: Vec<char> = tree.chars().collect();
    let mut at = 0;
    match nodes(&chars, &mut at) {
        Some(nodes) if at == chars.len() => cut(value, &nodes),
        _ => value.clone(),
    }
}

fn nodes(text: &[char], at: &mut usize) -> Option<Vec<Node>> {
    let mut all = Vec::new();
    loop {
        let begin = *at;
        while text.get(*at).is_some_and(|c| !"[]{},".contains(*c)) {
            *at += 1;
        }
        let name: String = text[begin..*at].iter().collect();
        let mut node = Node { name: name.trim().to_owned(), ..Node::default() };
        if text.get(*at) == Some(&'[') {
            *at += 1;
            node.below = nodes(text, at)?;
            (text.get(*at) == Some(&']')).then(|| *at += 1)?;
        }
        if text.get(*at) == Some(&'{') {
            let end = text[*at..].iter().position(|c| *c == '}')? + *at;
            let range: String = text[*at + 1..end].iter().collect();
            node.range = Some(read_range(&range)?);
            *at = end + 1;
        }
        all.push(node);
        if text.get(*at) != Some(&',') {
            return Some(all);
        }
        *at += 1;
    }
}

fn read_range(text: &str) -> Option<(usize, usize)> {
    let number = |t: &str, default| if t.is_empty() { Some(default) } else { t.trim().parse().ok() };
    match text.split_once(',') {
        Some((from, to)) => Some((number(from, 0)?, number(to, usize::MAX)?)),
        None => number(text, 0).map(|n| (n, n + 1)),
    }
}

fn cut(value: &Value, nodes: &[Node]) -> Value {
    match value {
        Value::Array(all) => all.iter().map(|v| cut(v, nodes)).collect(),
        Value::Object(map) => {
            let mut kept = Map::new();
            for (name, value) in map {
                if name == "_class" {
                    kept.insert(name.clone(), value.clone());
                } else if let Some(node) = nodes.iter().find(|n| n.name == *name || n.name == "*") {
                    kept.insert(name.clone(), cut(&ranged(value, node.range), &node.below));
                }
            }
            Value::Object(kept)
        }
        plain => plain.clone(),
    }
}

fn ranged(value: &Value, range: Option<(usize, usize)>) -> Value {
    match (value, range) {
        (Value::Array(all), Some((from, to))) => {
            let to = to.min(all.len());
            Value::Array(all[from.min(to)..to].to_vec())
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_what_is_named_and_the_classes() {
        let job = json!({"_class": "J", "name": "x", "builds": [
            {"_class": "B", "number": 3, "url": "u"}, {"_class": "B", "number": 2}, {"_class": "B", "number": 1}]});
        let expected = json!({"_class": "J", "builds": [{"_class": "B", "number": 2}, {"_class": "B", "number": 1}]});
        assert_eq!(prune(&job, "builds[number]{1,3}"), expected);
        assert_eq!(prune(&job, "builds[number]{1,}"), expected);
        assert_eq!(prune(&job, "name"), json!({"_class": "J", "name": "x"}));
        assert_eq!(prune(&job, "builds{0}"), json!({"_class": "J", "builds": [{"_class": "B"}]}));
        assert_eq!(prune(&job, "a[b"), job);
    }
}
