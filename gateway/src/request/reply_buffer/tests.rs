use std::task::Waker;

use ostler_machine::disk::Disk;

use super::*;

fn next(buffer: &ReplyBuffer) -> Poll<Next> {
    buffer.poll_next(&Context::from_waker(Waker::noop()))
}

fn buffer(folder: &tempfile::TempDir, max: u64, watermark: usize) -> ReplyBuffer {
    let disk = Arc::new(Disk::new(folder.path().to_owned(), Some(0)));
    let budget = Arc::new(Budget::new(folder.path().to_owned(), (max, 100), disk));
    let client = Peer::of([10, 0, 0, 1].into());
    ReplyBuffer::of(
        watermark,
        Span::from_secs(60),
        client,
        (budget, Arc::new(Memory::new(1 << 20))),
    )
}

async fn read_all(buffer: &ReplyBuffer) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match poll_fn(|cx| buffer.poll_next(cx)).await {
            Next::Piece(piece) => all.extend_from_slice(&piece),
            Next::File(file, offset) => {
                let bytes = file.read(offset, READ).await.unwrap();
                buffer.advance(bytes.len() as u64);
                all.extend_from_slice(&bytes);
            }
            Next::End => return all,
            Next::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_catches_up_while_a_piece_is_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let buffer = buffer(&folder, 1 << 20, 0);
    let piece = Bytes::from_static(b"abc");
    let Place::File(file) = buffer.keep(&piece) else { panic!("nothing stays in memory") };
    assert!(next(&buffer).is_pending(), "the client looks before the piece is in the file");
    file.append(piece).await.unwrap();
    buffer.lock().writing = false;
    buffer.end(None);
    assert_eq!(read_all(&buffer).await, b"abc");
}

#[tokio::test]
async fn without_room_in_files_the_reply_is_as_slow_as_its_client_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let buffer = Arc::new(buffer(&folder, 5, 1));
    let filling = tokio::spawn({
        let buffer = buffer.clone();
        async move {
            for piece in [&b"aa"[..], b"bbb", b"cccc", b"dd"] {
                put(&buffer, Bytes::from_static(piece), &|| true).await.unwrap();
            }
            buffer.end(None);
        }
    });
    assert_eq!(read_all(&buffer).await, b"aabbbccccdd");
    filling.await.unwrap();
}

/// Writes pieces into a buffer, whatever becomes of them.
fn fill(
    buffer: &Arc<ReplyBuffer>,
    pieces: usize,
    is_wanted: bool,
) -> tokio::task::JoinHandle<io::Result<()>> {
    let buffer = buffer.clone();
    tokio::spawn(async move {
        for _ in 0..pieces {
            put(&buffer, Bytes::from_static(b"abcd"), &|| is_wanted).await?;
        }
        buffer.end(None);
        Ok(())
    })
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_waited_for_like_room() {
    let folder = tempfile::tempdir().unwrap();
    let buffer = Arc::new(buffer(&folder, 1 << 20, 1));
    // The folder is gone, as good as one that may not be written.
    drop(folder);
    let filling = fill(&buffer, 5, false);
    assert_eq!(read_all(&buffer).await, b"abcdabcdabcdabcdabcd");
    filling.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_child_where_no_file_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut buffer = buffer(&folder, 1 << 20, 1);
    let disk = Arc::new(Disk::new(folder.path().to_owned(), Some(0)));
    buffer.budget = Arc::new(Budget::new(folder.path().to_owned(), (1 << 20, 0), disk));
    // Whoever waits for a moment here waits for ever.
    buffer.pace = Span::from_secs(3600);
    let buffer = Arc::new(buffer);
    fill(&buffer, 5, true).await.unwrap().unwrap();
    assert_eq!(buffer.memory.used(), 20);
    assert_eq!(read_all(&buffer).await.len(), 20);
}

#[tokio::test]
async fn a_child_that_others_wait_for_is_not_held_for_a_client_that_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let make = || {
        let mut buffer = buffer(&folder, 5, 1);
        buffer.pace = Span::from_millis(10);
        Arc::new(buffer)
    };
    let (free, held) = (make(), make());
    let (unwanted, wanted) = (fill(&free, 5, false), fill(&held, 5, true));
    let error = wanted.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("others wait"), "{error}");
    assert!(!unwanted.is_finished(), "nobody needs that one's child");
    assert_eq!(read_all(&free).await.len(), 20);
}

#[tokio::test]
async fn what_a_client_lets_lie_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let buffer = Arc::new(buffer(&folder, 1 << 20, 6));
    let buffers = ReplyBuffers::default();
    buffers.add(&buffer);
    fill(&buffer, 5, false).await.unwrap().unwrap();
    let now = clock::now();
    buffers.sweep(now + Span::from_secs(59));
    assert!(buffer.memory.used() > 0 && buffer.budget.used() > 0);
    buffers.sweep(now + Span::from_secs(61));
    assert_eq!((buffer.memory.used(), buffer.budget.used()), (0, 0));
    let next = poll_fn(|cx| buffer.poll_next(cx)).await;
    assert!(
        matches!(next, Next::Failed(failure) if failure.termination == Termination::GoneReading)
    );
}

#[tokio::test]
async fn what_the_client_has_taken_is_not_counted_as_in_memory_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let buffer = Arc::new(buffer(&folder, 1 << 20, 1 << 20));
    fill(&buffer, 5, false).await.unwrap().unwrap();
    assert_eq!(buffer.memory.used(), 20);
    assert!(next(&buffer).is_ready());
    assert_eq!(buffer.memory.used(), 16);
    let memory = buffer.memory.clone();
    assert_eq!(read_all(&buffer).await.len(), 16);
    assert_eq!(memory.used(), 0);
    fill(&buffer, 3, false).await.unwrap().unwrap();
    drop(buffer);
    assert_eq!(memory.used(), 0, "nor is what nobody will take");
}
