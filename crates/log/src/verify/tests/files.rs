//! Faults in columns, in what stands beside the entries, and in the derived file.

use super::*;

/// Runs SQL on a good store's journal, beside its index, and expects the fault.
#[track_caller]
fn check_sql(database: &str, sql: &str, expected: &str) {
    let rows = good();
    let folder = folder_of(&rows);
    write_index(&folder.0, &rows, 12);
    let connection = Connection::open(folder.0.join(database)).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    assert_eq!(judge(&folder).unwrap_err(), expected, "{sql}");
}

#[test]
fn columns_of_the_journal() {
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"to\" = 'ALL' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"to\" = 'eva' WHERE log_index = 6",
        "recipients",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"from\" = 'eva' WHERE log_index = 6",
        "nick-not-held",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"from\" = 'e v a' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET detail = x'00' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET kind = 99 WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET chain = x'00' WHERE log_index = 6",
        "chain",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET log_index = -5 WHERE log_index = 1",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE meta SET log = x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'",
        "index-log",
    );
}

#[test]
fn tables_beside_the_entries() {
    check_sql(
        JOURNAL,
        "INSERT INTO position VALUES (1, 10, 1)",
        "position",
    );
    check_sql(JOURNAL, "INSERT INTO position VALUES (9, 1, 1)", "position");
    check_sql(
        JOURNAL,
        "INSERT INTO position VALUES (1, -1, 1)",
        "position",
    );
    check_sql(
        JOURNAL,
        "UPDATE term SET after = 4 WHERE term = 2",
        "term-table",
    );
    check_sql(JOURNAL, "INSERT INTO term VALUES (3, 9, 1)", "term-table");
    check_sql(JOURNAL, "DELETE FROM term WHERE term = 1", "term-table");
    check_sql(
        JOURNAL,
        "UPDATE term SET at = 4 WHERE term = 2",
        "term-table",
    );
    check_sql(JOURNAL, "DELETE FROM term WHERE term = 2", "term-table");
    let rows = good();
    let folder = folder_of(&rows);
    let connection = Connection::open(folder.0.join(JOURNAL)).unwrap();
    connection
        .execute_batch("INSERT INTO position VALUES (1, 9, 1), (2, 0, 1)")
        .unwrap();
    assert_eq!(judge(&folder).unwrap().positions, 2);
}

#[test]
fn the_derived_file() {
    check_sql(
        INDEX,
        "UPDATE message SET text = 'hello, eva' WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "UPDATE message SET stamp = 9 WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "DELETE FROM message WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "INSERT INTO message VALUES (8, 4, 'x')",
        "index-text",
    );
    check_sql(
        INDEX,
        "INSERT INTO words(rowid, text) VALUES (6, 'secret')",
        "index-words",
    );
    check_sql(
        INDEX,
        "INSERT INTO words(words, rowid, text) VALUES ('delete', 6, 'hello, ana')",
        "index-words",
    );
    check_sql(INDEX, "UPDATE meta SET chain = x'00'", "index-chain");
    check_sql(INDEX, "UPDATE meta SET log_index = 99", "removed-end");
    let state = "UPDATE snapshot SET state = CAST(replace(state, 'ana', 'eva') AS BLOB)";
    check_sql(INDEX, state, "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET digest = x'00'", "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET log_index = 11", "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET log_index = 99", "snapshot");
}

/// A snapshot with a digest that holds, of a state that is another one.
#[test]
fn a_snapshot_that_lies_with_care() {
    let rows = good();
    let folder = folder_of(&rows);
    write_index(&folder.0, &rows, 12);
    let mut order = lamparina_order::Sequenced::default();
    rows.iter()
        .take(11)
        .for_each(|(record, _)| order.replay(record).unwrap());
    let snapshot = lamparina_store::index::Snapshot {
        index: LogIndex(12),
        chain: rows[11].1,
        state: order.to_bytes(),
    };
    let connection = Connection::open(folder.0.join(INDEX)).unwrap();
    let sql = "UPDATE snapshot SET state = ?, digest = ? WHERE log_index = 12";
    connection
        .execute(
            sql,
            rusqlite::params![snapshot.state, &snapshot.digest()[..]],
        )
        .unwrap();
    assert_eq!(judge(&folder).unwrap_err(), "snapshot");
}
