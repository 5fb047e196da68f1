//! The shapes of a controller's answers.
//!
//! Everything may be missing or null, and lists of actions hold empty objects: plugins add what they like.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

/// `GET /job/X/api/json`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireJob {
    #[serde(rename = "_class")]
    pub(super) class: Option<String>,
    #[serde(rename = "fullName")]
    pub(super) full_name: Option<String>,
    pub(super) buildable: Option<bool>,
    pub(super) disabled: Option<bool>,
    #[serde(rename = "nextBuildNumber")]
    pub(super) next_build: Option<u64>,
    #[serde(rename = "queueItem")]
    pub(super) queue_item: Option<WireItem>,
    /// The items of a folder, the branches of a multibranch project.
    pub(super) jobs: Option<Vec<WireNamed>>,
    #[serde(deserialize_with = "lenient")]
    pub(super) property: Vec<WireProperty>,
    #[serde(deserialize_with = "lenient")]
    pub(super) actions: Vec<WireProperty>,
    #[serde(deserialize_with = "lenient")]
    pub(super) builds: Vec<WireBuild>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireNamed {
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireProperty {
    #[serde(rename = "parameterDefinitions")]
    pub(super) definitions: Option<Vec<WireDefinition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireDefinition {
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) description: Option<String>,
    pub(super) choices: Option<Vec<Value>>,
    #[serde(rename = "defaultParameterValue")]
    pub(super) default: Option<WireParameter>,
}

/// A parameter of a build or of an item; secret ones have no value.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct WireParameter {
    pub(super) name: Option<String>,
    pub(super) value: Option<Value>,
}

impl WireParameter {
    /// The value as text.
    pub(super) fn text(&self) -> Option<String> {
        match self.value.as_ref()? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// `GET /queue/item/N/api/json`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireItem {
    #[serde(rename = "_class")]
    pub(super) class: Option<String>,
    pub(super) id: u64,
    pub(super) why: Option<String>,
    pub(super) stuck: Option<bool>,
    pub(super) blocked: Option<bool>,
    pub(super) cancelled: Option<bool>,
    #[serde(rename = "inQueueSince")]
    pub(super) since: Option<u64>,
    pub(super) task: Option<WireTask>,
    pub(super) executable: Option<WireExecutable>,
    #[serde(deserialize_with = "lenient")]
    pub(super) actions: Vec<WireAction>,
}

/// `GET /queue/api/json`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireQueue {
    #[serde(deserialize_with = "lenient")]
    pub(super) items: Vec<WireItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireTask {
    pub(super) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireExecutable {
    pub(super) number: Option<u64>,
    pub(super) url: Option<String>,
}

/// `GET /job/X/N/api/json`, or an entry of a job's `builds`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireBuild {
    #[serde(rename = "_class")]
    pub(super) class: Option<String>,
    pub(super) number: u64,
    pub(super) building: Option<bool>,
    #[serde(rename = "inProgress")]
    pub(super) in_progress: Option<bool>,
    pub(super) result: Option<String>,
    pub(super) duration: Option<u64>,
    #[serde(rename = "estimatedDuration")]
    pub(super) estimated: Option<i64>,
    pub(super) timestamp: Option<u64>,
    #[serde(rename = "queueId")]
    pub(super) queue_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) actions: Vec<WireAction>,
    #[serde(deserialize_with = "lenient")]
    pub(super) artifacts: Vec<WireArtifact>,
    #[serde(deserialize_with = "lenient")]
    pub(super) fingerprint: Vec<WireFingerprint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireAction {
    #[serde(deserialize_with = "lenient")]
    pub(super) parameters: Vec<WireParameter>,
    #[serde(deserialize_with = "lenient")]
    pub(super) causes: Vec<WireCause>,
    #[serde(deserialize_with = "lenient")]
    pub(super) executions: Vec<WireInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireCause {
    #[serde(rename = "userId")]
    pub(super) user: Option<String>,
    pub(super) note: Option<String>,
}

/// One wait of an `input` step.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireInput {
    pub(super) id: Option<String>,
    pub(super) settled: Option<bool>,
    pub(super) input: Option<WireQuestion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireQuestion {
    pub(super) id: Option<String>,
    pub(super) message: Option<String>,
    pub(super) submitter: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireArtifact {
    #[serde(rename = "fileName")]
    pub(super) name: Option<String>,
    #[serde(rename = "relativePath")]
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFingerprint {
    #[serde(rename = "fileName")]
    pub(super) name: Option<String>,
    pub(super) hash: Option<String>,
}

/// A list that may be null, and may hold nulls and entries of other shapes: these are left out.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_actions_hold_anything() {
        let text = r#"{"number": 3, "queueId": -1, "result": null, "artifacts": null,
            "actions": [null, {}, 7, {"_class": "x"}, {"parameters": [{"name": "A", "value": 1}, {"name": "P"}]},
                        {"causes": [{"userId": "dev", "shortDescription": "…"}]}]}"#;
        let build: WireBuild = serde_json::from_str(text).unwrap();
        let parameters: Vec<_> = build.actions.iter().flat_map(|action| &action.parameters).collect();
        assert_eq!((parameters[0].text(), parameters[1].text()), (Some("1".to_owned()), None));
        assert_eq!(build.actions.iter().flat_map(|action| &action.causes).count(), 1);
    }
}
