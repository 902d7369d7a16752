//! Questions about messages, and their answers.

use lamparina_protocol::message::{Receipt, WhyOrdered};
use lamparina_protocol::{MemberId, RoomName};

use super::*;
use crate::core::testing::delivery;

#[test]
fn questions_are_answered_one_by_one_and_errors_settle_the_oldest_that_fits() {
    let mut script = Script::live();
    let (before, count) = (Lamport::ZERO, 2);
    script.ask(Ask::Join(RoomName::try_from("lab").unwrap()));
    script.ask(Ask::History { before, count });
    script.ask(Ask::Find {
        words: "pump".to_owned(),
        before,
        count,
    });
    script.ask(Ask::Trace(Lamport::new(4)));
    script.ask(Ask::Why(Lamport::new(2), Lamport::new(4)));
    script.close();
    script.wrote.clear();
    let mut old = delivery(0, 3, "old");
    old.history = true;
    script.server(&ToClient::Message(old));
    script.server(&ToClient::History {
        count: 1,
        more: false,
    });
    script.server(&ToClient::Found {
        hits: Vec::new(),
        more: false,
        upto: Lamport::new(5),
    });
    let error = |code, text: &str| ToClient::Error {
        code,
        text: text.to_owned(),
    };
    script.server(&error(RefusalCode::NotFound, "no such message"));
    script.server(&error(RefusalCode::NotInRoom, "no such room"));
    script.server(&ToClient::Why {
        earlier: Lamport::new(2),
        later: Lamport::new(4),
        reason: WhyOrdered::Concurrent,
        chain: Vec::new(),
        hidden: vec![Lamport::new(3)],
        left_out: 0,
    });
    script.check(
        "> Message
         {message,stamp:3,from:bob,kind:broadcast,to:[ALL],text:old,sent_at:1970-01-01T00:00:01.000000Z,clock:2,seen:0,member:7,epoch:70,pseq:3,history:true}
         > History
         {history,count:1,more:false,asked:true}
         > Found
         {found,upto:5,more:false,hits:[]}
         > Error
         {error,code:not-found,text:no such message}
         > Error
         {error,code:not-in-room,text:no such room}
         > Why
         {why,earlier:2,later:4,reason:concurrent,chain:[],hidden:[3],left_out:0}
         < goodbye",
    );
}

#[test]
fn what_comes_unasked_is_told_too() {
    let mut script = Script::live();
    script.server(&ToClient::History {
        count: 0,
        more: false,
    });
    let receipt = |stamp, delivered| Receipt {
        stamp: Lamport::new(stamp),
        delivered,
        of: 2,
    };
    script.server(&ToClient::Receipts {
        by: nick("bob"),
        member: MemberId(7),
        messages: vec![receipt(4, 1), receipt(6, 2)],
    });
    script.check(
        "> History
         {history,count:0,more:false,asked:false}
         > Receipts
         {receipt,stamp:4,by:bob,member:7,delivered:1,of:2}
         {receipt,stamp:6,by:bob,member:7,delivered:2,of:2}",
    );
}

/// An error names no request. Whichever it is taken for, each answer settles one, and nothing is
/// waited for that has been answered.
#[test]
fn an_error_taken_for_another_requests_answer_leaves_none_unanswered() {
    let question = || Ask::Trace(Lamport::new(4));
    let join = || Ask::Join(RoomName::try_from("lab").unwrap());
    let channel = || Ask::Channel("off".to_owned());
    let history = || Ask::History {
        before: Lamport::ZERO,
        count: 2,
    };
    let error = |code| ToClient::Error {
        code,
        text: "no".to_owned(),
    };
    let told = || ToClient::History {
        count: 0,
        more: false,
    };
    let joined = || ToClient::RoomJoined {
        nick: nick("ana"),
        room: RoomName::try_from("lab").unwrap(),
        after: Lamport::new(5),
    };
    let (limit, not_allowed) = (RefusalCode::Limit, RefusalCode::NotAllowed);
    for (asks, answers) in [
        // The channel is refused at once, the question answered behind it.
        (vec![history(), channel()], vec![error(not_allowed), told()]),
        (vec![history(), join()], vec![error(limit), told()]),
        (vec![join(), history()], vec![error(limit), joined()]),
        (
            vec![join(), history(), question()],
            vec![joined(), error(limit), error(RefusalCode::NotFound)],
        ),
        (vec![history()], vec![error(not_allowed)]),
    ] {
        let mut script = Script::live();
        for ask in asks {
            script.ask(ask);
        }
        for answer in &answers {
            script.server(answer);
        }
        script.wrote.clear();
        script.close();
        script.check(
            "> close
             < goodbye",
        );
    }
}
