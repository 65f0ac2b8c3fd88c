//! What commands write.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::unistd::mkfifo;
use ostler_job::durable::{Command, Report};
use ostler_module::Executor;

use crate::bench::{argv, chunks, sh, whole, with_bench};

#[test]
fn both_streams_are_kept_apart_with_their_times() {
    with_bench(async |bench| {
        let go = bench.path("go");
        let line = format!(
            "echo one; until test -e {go}; do sleep 0.01; done; echo two >&2",
            go = go.display()
        );
        bench.start(sh(&line));
        while !matches!(bench.next().await, Report::Log { .. }) {}
        let between = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        fs::write(go, "").unwrap();
        let finish = bench.finish().await;
        let chunks = chunks(&whole(&finish));
        let said: Vec<(u8, &[u8])> = chunks.iter().map(|(s, _, b)| (*s, &b[..])).collect();
        assert_eq!(said, [(1, &b"one\n"[..]), (2, b"two\n")]);
        assert!(u128::from(chunks[0].1) <= between && between <= chunks[1].1.into(), "{chunks:?}");
        assert_eq!((finish.log.head.as_str(), finish.log.tail.as_str()), ("one\ntwo\n", ""));
    });
}

#[test]
fn a_gigabyte_is_kept_whole_with_both_ends() {
    with_bench(async |bench| {
        let line = "echo first; head -c 1G /dev/zero; echo; echo last";
        let key = bench.start(sh(line));
        let finish = bench.finish().await;
        assert_eq!(finish.log.written, (1 << 30) + 12);
        assert!(finish.log.whole.is_none() && finish.log.head.starts_with("first\n\0"));
        assert!(finish.log.tail.ends_with("\0\nlast\n"));
        let file = bench.setup.state.join("jobs").join("1.1.1001.log");
        assert_eq!(fs::metadata(&file).unwrap().len(), finish.log.file);
        let piece = bench.shell.read_log(key, finish.log.file - 5, 100).unwrap().unwrap();
        assert_eq!((&piece.bytes[..], piece.end), (&b"last\n"[..], true));
        bench.shell.forget(key);
        assert!(!file.exists() && bench.shell.read_log(key, 0, 1).unwrap().is_none());
    });
}

#[test]
fn a_log_can_be_followed_while_it_grows() {
    with_bench(async |bench| {
        let fifo = bench.path("go");
        mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let line = format!("echo early; cat {} ; echo late", fifo.display());
        let key = bench.start(sh(&line));
        let bytes = loop {
            if let Report::Log { bytes, .. } = bench.next().await {
                break bytes;
            }
        };
        let piece = bench.shell.read_log(key, 0, 1000).unwrap().unwrap();
        assert_eq!((piece.bytes.len() as u64, piece.end), (bytes, false));
        assert_eq!(chunks(&piece.bytes)[0].2, b"early\n");
        assert!(bench.shell.read_log(key, bytes, 1000).unwrap().unwrap().bytes.is_empty());
        fs::write(&fifo, "").unwrap();
        assert_eq!(bench.finish().await.log.head, "early\nlate\n");
        assert!(bench.shell.read_log(key, bytes, 1000).unwrap().unwrap().end);
    });
}

#[test]
fn a_log_that_cannot_be_written_does_not_hold_the_job_up() {
    with_bench(async |bench| {
        // The folder of logs is gone, which a full disk looks like from here.
        fs::remove_dir_all(bench.setup.state.join("jobs")).unwrap();
        let finish = bench.run(argv(&["head", "-c", "100000", "/dev/zero"])).await;
        assert_eq!((finish.ending.exit_status, finish.log.written), (Some(0), 100_000));
        let detail = finish.ending.detail.unwrap();
        assert!(detail.contains("of the log could not be kept on the runner"), "{detail}");
    });
}

#[test]
fn a_command_that_closes_its_output_goes_on() {
    with_bench(async |bench| {
        let finish = bench.run(sh("exec >&- 2>&-; sleep 0.05; exit 4")).await;
        assert_eq!(finish.ending.exit_status, Some(4));
    });
}

/// The bytes of both streams one after the other, as they were kept.
fn text(finish: &ostler_job::durable::Finish) -> String {
    let all = chunks(&whole(finish)).into_iter().flat_map(|(_, _, bytes)| bytes).collect();
    String::from_utf8(all).unwrap()
}

#[test]
fn what_was_written_to_one_stream_first_is_kept_first() {
    with_bench(async |bench| {
        for _ in 0..20 {
            for (line, says) in [
                ("echo out; echo error >&2", "out\nerror\n"),
                ("echo error >&2; echo out", "error\nout\n"),
                ("echo 1; echo 2; echo 3; echo error >&2", "1\n2\n3\nerror\n"),
                (
                    "echo first >&2; echo second >&2; echo third >&2; echo out",
                    "first\nsecond\nthird\nout\n",
                ),
            ] {
                assert_eq!(text(&bench.run(sh(line)).await), says, "{line}");
            }
        }
    });
}

#[test]
fn merged_streams_are_one_in_the_order_in_which_they_were_written() {
    with_bench(async |bench| {
        let line =
            "for i in 1 2 3; do echo out; echo out; echo error >&2; done; printf x > /dev/stderr";
        let merged = Command { merge: true, ..sh(line) };
        for _ in 0..5 {
            let finish = bench.run(merged.clone()).await;
            assert_eq!(text(&finish), "out\nout\nerror\n".repeat(3) + "x");
            assert!(chunks(&whole(&finish)).iter().all(|(stream, ..)| *stream == 1));
        }
    });
}

#[test]
fn each_stream_is_whole_when_both_are_large() {
    with_bench(async |bench| {
        let line = "head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2 & wait; echo end; echo end >&2";
        let key = bench.start(sh(line));
        let finish = bench.finish().await;
        let file = usize::try_from(finish.log.file).unwrap();
        let log = bench.shell.read_log(key, 0, file).unwrap().unwrap().bytes;
        let mut streams = [Vec::new(), Vec::new()];
        for (stream, _, bytes) in chunks(&log) {
            streams[usize::from(stream) - 1].extend(bytes);
        }
        assert_eq!(streams.each_ref().map(Vec::len), [3_000_004, 2_000_004]);
        assert!(streams.iter().all(|stream| stream.ends_with(b"\0end\n")));
    });
}
