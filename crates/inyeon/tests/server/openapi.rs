//! The OpenAPI document says what the server does: the copy in `docs` is the one that is served, every path in it is
//! served, and the answers are of the shapes that it names.

use std::path::Path;

use serde_json::{Value, json};

use crate::contract::track;
use crate::support::{Home, KEY};
use crate::wire::Reply;

fn kept() -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).to_owned()
}

#[test]
fn the_kept_document_is_the_served_one() {
    let home = Home::new();
    let served = home.serve();
    let reply = served.connect().get("/v1/openapi.json").unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.json()["openapi"].as_str().unwrap().starts_with("3.1"));
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(kept(), &reply.body).unwrap();
    }
    let kept = std::fs::read_to_string(kept()).unwrap();
    assert!(
        kept == reply.text(),
        "docs/openapi.json is not what is served; run the tests with UPDATE_OPENAPI=1"
    );
    assert_eq!(kept, inyeon::http::openapi());
}

/// Checks an answer against the schema that the document gives for its path and status.
#[track_caller]
pub(crate) fn check(document: &Value, path: &str, method: &str, reply: &Reply) {
    let answer = &document["paths"][path][method]["responses"][reply.status.to_string()];
    assert!(answer.is_object(), "{method} {path} may answer {}", reply.status);
    let schema = &answer["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path}, {}: a schema", reply.status);
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).expect("the schema is sound");
    let body = reply.json();
    let wrong: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{method} {path}, {}: {wrong:?} in {body}", reply.status);
    // Nothing is said that the document does not know.
    let name = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()).expect("answers are named schemas");
    let known = document["components"]["schemas"][name]["properties"].as_object().expect("an object");
    for member in body.as_object().expect("an object").keys() {
        assert!(known.contains_key(member), "{method} {path}: `{member}` is not in {name}");
    }
}

#[test]
fn every_path_is_served_and_answers_as_it_is_described() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let map = home.path("depot.yaml");
    std::fs::write(&map, "source: depot\nrows: [{ name: all, skip: nothing }]\n").unwrap();
    home.json(&["webhooks", "connect", "depot", "--map", map.to_str().unwrap(), "--secret", "s"]);
    let mut stranger = served.connect_as(None);
    let document = connection.get("/v1/openapi.json").unwrap().json();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            seen += 1;
            let of_customers = ["/v1/orders", "/v1/customers/", "/v1/needs", "/v1/mandates", "/v1/actions/"];
            if of_customers.iter().any(|start| path.starts_with(start)) {
                // Not any key orders; what one that may is answered is checked elsewhere.
                for (asker, status) in [(&mut connection, 403), (&mut stranger, 401)] {
                    let reply = asker.request(&method.to_uppercase(), path, &[], b"{}").unwrap();
                    assert_eq!(reply.status, status, "{path}");
                    check(&document, path, method, &reply);
                }
                continue;
            }
            if path.starts_with("/u/") {
                // Nobody signed that; what a link leads to is checked elsewhere.
                let reply = stranger.request(&method.to_uppercase(), path, &[], b"").unwrap();
                assert_eq!(reply.status, 404, "{path}");
                continue;
            }
            if method == "get" && path == "/v1/live" {
                let reply = connection.get(path).unwrap();
                assert_eq!(reply.status, 401, "{path}");
                check(&document, path, method, &reply);
                continue;
            }
            if method == "get" {
                let path = &path.replace("{write_key}", KEY);
                let reply = connection.get(path).unwrap();
                assert_eq!(reply.status, 200, "{path}");
                continue;
            }
            if path == "/v1/cloudevents" {
                let event =
                    json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "a", "userid": "u" });
                let kind = [("content-type", "application/cloudevents+json")];
                let reply = connection.request("POST", path, &kind, event.to_string().as_bytes()).unwrap();
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                check(&document, path, method, &reply);
                continue;
            }
            if path.starts_with("/v1/webhooks/") {
                let path_of = path.replace("{name}", "depot").replace("{secret}", "s");
                let reply = connection.post(&path_of, &json!({})).unwrap();
                assert_eq!(reply.status, if path.ends_with("{secret}") { 200 } else { 401 }, "{path}");
                check(&document, path, method, &reply);
                continue;
            }
            if path.starts_with("/v1/promises/") {
                // The key of these tests only sends; what the calls answer is checked where they are tested.
                for (asking, status) in [(&mut connection, 403), (&mut stranger, 401)] {
                    let reply = asking.post(path, &json!({})).unwrap();
                    assert_eq!(reply.status, status, "{path}");
                    check(&document, path, method, &reply);
                }
                continue;
            }
            let many = ["batch", "import", "b"].iter().any(|call| path.ends_with(&format!("/{call}")));
            let one = track("u", &format!("m-{path}"));
            let mut one = one.clone();
            // The path names the call, in full or by its letter.
            one.as_object_mut().unwrap().remove("type");
            let nobody = json!({ "type": "page", "messageId": "m" });
            let (good, bad) = match many {
                true => {
                    let track = track("u", path);
                    (json!({ "batch": [track, nobody] }), json!({ "batch": 5 }))
                }
                false => (one, nobody),
            };
            let reply = connection.post(path, &good).unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            check(&document, path, method, &reply);
            assert_eq!(reply.json()["errors"].as_array().map(Vec::len), many.then_some(1), "{path}");
            let reply = connection.post(path, &bad).unwrap();
            assert_eq!(reply.status, 400, "{path}: {}", reply.text());
            check(&document, path, method, &reply);
            let reply = stranger.post(path, &good).unwrap();
            assert_eq!(reply.status, 401, "{path}: {}", reply.text());
            check(&document, path, method, &reply);
        }
    }
    assert_eq!(
        seen, 40,
        "four of operation, four of promises, seven of orders, three of messages, live, CloudEvents, two webhooks, settings, and the six calls, batch and import by name and letter"
    );
    let ready = connection.get("/readyz").unwrap();
    check(&document, "/readyz", "get", &ready);
    assert!(!KEY.is_empty() && !document.to_string().contains(KEY));
}
