//! What holds for everything that Jenkins may send, and for every name of a job, build or queue item.

use super::console::NoteFilter;
use super::reference::{JobRef, Target, encode_branch, queue_id};
use super::wire;
use crate::random_tests::{mutated, pieces, rounds, text};

const SAMPLE: &[u8] = br#"{"_class":"hudson.model.FreeStyleBuild","name":"dev","anonymous":false,"number":7,"id":12,"queueId":9,
"building":true,"inProgress":null,"result":"SUCCESS","timestamp":1700000000000,"duration":-1,"estimatedDuration":60000,"why":"x",
"executable":{"number":3,"url":"http://a.example/job/x/3/"},"task":{"url":"http://a.example/job/x/"},"nextBuildNumber":8,
"actions":[{},null,{"parameters":[{"name":"A","value":[1]}],"causes":[{"shortDescription":"by me","userId":"dev"}]}],
"property":[{"parameterDefinitions":[{"name":"A","type":"StringParameterDefinition","defaultParameterValue":{"value":null},"choices":["a"]}]}],
"artifacts":[{"relativePath":"a/b.txt","fileName":"b.txt"}],"items":[{"id":1}],"jobs":[{"name":"x","_class":"y"}],"builds":[{"number":1}],
"stages":[{"id":"4","name":"Build","status":"FAILED","durationMillis":1.5,"error":{"message":"m","type":"t"}}],
"suites":[{"name":"s","cases":[{"className":"c","name":"n","status":"PASSED","duration":0.1,"errorDetails":null}]}],"passCount":1,
"crumb":"c","crumbRequestField":"Jenkins-Crumb","data":{"tokenUuid":"u","tokenValue":"11"},"inputs":[{"id":"I","message":"?"}]}"#;

#[test]
fn every_answer_is_read_or_refused() {
    rounds(|random| {
        let body = mutated(random, SAMPLE);
        drop((
            wire::decode::<wire::WhoAmI>(&body),
            wire::decode::<wire::Crumb>(&body),
            wire::decode::<wire::Job>(&body),
        ));
        drop((wire::decode::<wire::QueueItem>(&body), wire::decode::<wire::Queue>(&body)));
        drop((wire::decode::<wire::Build>(&body), wire::decode::<wire::Run>(&body)));
        drop((wire::decode::<wire::TestReport>(&body), wire::decode::<wire::NewToken>(&body)));
        drop((wire::decode::<wire::Computers>(&body), wire::decode_list::<wire::PendingInput>(&body)));
    });
}

#[test]
fn a_name_of_a_job_is_refused_or_keeps_its_place_in_the_path() {
    rounds(|random| {
        let text = text(random);
        if let Ok(job) = JobRef::from_full_name(&text) {
            let path = job.path();
            assert!(path.starts_with("/job/") && !path.contains(['?', '#', ' ', '\n']), "{text:?} {path:?}");
            assert!(!path.split('/').any(|part| [".", ".."].contains(&part)), "{text:?} {path:?}");
            let shown = job.to_string();
            if shown.trim() == shown {
                assert_eq!(JobRef::from_full_name(&shown).ok().map(|job| job.path()), Some(path), "{text:?}");
            }
        }
        drop(Target::parse(&text));
        drop(Target::parse(&format!("https://a.example/{text}")));
        drop(Target::parse(&format!("/job/{text}/")));
        queue_id(&text);
        assert!(!encode_branch(&text).contains(['/', '?', '#', '\\']), "{text:?}");
    });
}

#[test]
fn a_log_is_the_same_however_it_is_cut() {
    rounds(|random| {
        let log = mutated(random, b"a \x1b[8mha:////4M8+yG==\x1b[0mb\r\n\x1b[31mred\x1b[0m \xff\r\r\n");
        let read = |pieces: &[&[u8]]| {
            let (mut filter, mut out) = (NoteFilter::default(), Vec::new());
            for piece in pieces {
                filter.feed(piece, &mut out);
            }
            filter.end(&mut out);
            out
        };
        let cut = pieces(random, &log);
        assert_eq!(read(&cut), read(&[&log]));
    });
}
