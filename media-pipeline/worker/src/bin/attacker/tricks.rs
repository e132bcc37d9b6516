//! What a worker that has been taken over can do without a forbidden call: lie, flood, linger, waste, break.
#![expect(unsafe_code, reason = "some tricks are raw system calls")]

use serde::Serialize;
use std::fs::File;
use std::hint::black_box;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;
use tertulia_media_core::{Class, Event, Job, Outcome, Reason, Refusal};

/// As the worker's frames look on the wire.
#[derive(Serialize)]
enum FromWorker {
    Event(Event),
}

/// The beginning of a JPEG.
const JPEG: [u8; 12] = [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1];

pub(crate) fn play(
    name: &str,
    job: &Job,
    mut outputs: [File; 3],
    progress: &mut dyn FnMut(u16),
) -> Result<Outcome, Refusal> {
    match name {
        "obey" => {}
        "check the outputs" => {
            let is_clean = |file: &mut File| {
                file.metadata().is_ok_and(|meta| meta.len() == 0) && file.stream_position().is_ok_and(|at| at == 0)
            };
            if !outputs.iter_mut().all(is_clean) {
                return Err(Reason::Damaged.into());
            }
        }
        "report the threads" => {
            return Err(Refusal { reason: Reason::Unsupported, limit: None, actual: Some(job.threads.into()) });
        }
        "count the cores" => return Err(count_cores()),
        "find a descriptor" => find_a_descriptor(&outputs)?,
        "use the threads" => use_threads(job)?,
        "scribble" => {
            for output in &mut outputs {
                let _full = output.write_all(&[0xaa; 100_000]).is_err();
            }
            tell_own_id(&outputs, progress);
            std::process::abort();
        }
        "say the id and sleep" => {
            tell_own_id(&outputs, progress);
            sleep()
        }
        "sleep" => sleep(),
        "spin" => spin(),
        "creep" => creep(progress),
        "allocate" => allocate(),
        "threads" => threads(),
        "fill" => fill(&mut outputs[0]),
        "panic" => std::panic::resume_unwind(Box::new("on purpose")),
        "abort" => std::process::abort(),
        "exit" => leave(),
        "close the socket" => close_the_socket(),
        "flood" => flood(progress),
        "repeat" => {
            progress(5);
            say(Event::Progress(5));
            sleep()
        }
        "exaggerate" => {
            say(Event::Progress(1_001));
            sleep()
        }
        "babble" => babble(b"\xff\xff\xff\xff"),
        "shout" => babble(&[0; 64 * 1_024]),
        "say nothing often" => babble(&[]),
        "linger" => linger(&mut outputs[0]),
        _ => return forge(name, &mut outputs),
    }
    honest(&mut outputs[0])
}

fn honest(main: &mut File) -> Result<Outcome, Refusal> {
    main.write_all(&JPEG).map_err(|_| Reason::StoreUnavailable)?;
    Ok(Outcome {
        class: Class::Image,
        mime: "image/jpeg".into(),
        bytes: 1,
        width: 640,
        height: 480,
        duration_ms: 0,
        has_sound: false,
        is_remuxed: false,
        is_salvaged: false,
        thumbhash: vec![1; 25],
        preview: "data:image/jpeg;base64,/9j/".into(),
        waveform: Vec::new(),
    })
}

/// Results that an honest worker never gives.
fn forge(name: &str, outputs: &mut [File; 3]) -> Result<Outcome, Refusal> {
    let mut outcome = honest(&mut outputs[0])?;
    let io = |_| Refusal::from(Reason::StoreUnavailable);
    match name {
        "forge the class" => outcome.class = Class::Document,
        "forge the media type" => outcome.mime = "text/html".into(),
        "forge the kind" => outputs[0].write_all_at(b"<html><script>", 0).map_err(io)?,
        "forge the dimensions" => (outcome.width, outcome.height) = (u32::MAX, u32::MAX),
        "forge the duration" => outcome.duration_ms = u64::MAX,
        "forge the preview" => outcome.preview = "data:text/html;base64,AAAA".into(),
        "forge a long preview" => outcome.preview = format!("data:image/jpeg;base64,{}", "A".repeat(4_000)),
        "forge the waveform" => outcome.waveform = vec![255; 64],
        "forge the thumbhash" => outcome.thumbhash = vec![0; 2_000],
        "forge an empty output" => outputs[0].set_len(0).map_err(io)?,
        "forge a large output" => outputs[0].set_len(200 << 20).map_err(io)?,
        "forge a thumbnail" => outputs[1].write_all(b"GIF89a-and-more").map_err(io)?,
        "forge the reason" => return Err(Reason::SandboxUnavailable.into()),
        _ => return Err(Reason::Empty.into()),
    }
    Ok(outcome)
}

fn tell_own_id(outputs: &[File; 3], progress: &mut dyn FnMut(u16)) {
    let _full = outputs[2].write_all_at(format!("{:>10}", std::process::id()).as_bytes(), 0).is_err();
    progress(1);
}

/// As many as a thread of it may run on, after it has tried to have them all.
fn count_cores() -> Refusal {
    let count = std::thread::spawn(|| {
        let mut all = rustix::thread::CpuSet::new();
        (0..rustix::thread::CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
        let _refused = rustix::thread::sched_setaffinity(None, &all).is_err();
        rustix::thread::sched_getaffinity(None).map_or(0, |cores| cores.count())
    });
    let count = count.join().unwrap_or(0);
    Refusal { reason: Reason::Unsupported, limit: None, actual: Some(count.into()) }
}

/// One that it was not given.
fn find_a_descriptor(outputs: &[File; 3]) -> Result<(), Refusal> {
    let first = outputs.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(3) + 1;
    // SAFETY: asking a number whether it is a descriptor touches nothing.
    let is_open = |number| unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    if (first..1_024).any(is_open) { Err(Reason::Damaged.into()) } else { Ok(()) }
}

fn use_threads(job: &Job) -> Result<(), Refusal> {
    let work = |seed: u64| (0..1_000_000).fold(seed, |sum, n: u64| black_box(sum.wrapping_mul(31) ^ n));
    let handles: Vec<_> = (0..u64::from(job.threads) * 4)
        .map(|seed| std::thread::Builder::new().name("decoder".into()).spawn(move || work(seed)))
        .collect();
    for handle in handles {
        handle.ok().and_then(|handle| handle.join().ok()).ok_or(Reason::Damaged)?;
    }
    Ok(())
}

fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn creep(progress: &mut dyn FnMut(u16)) -> ! {
    for thousandths in 1.. {
        progress(thousandths);
        std::thread::sleep(Duration::from_millis(110));
    }
    sleep()
}

fn allocate() -> ! {
    let mut all = Vec::new();
    loop {
        let mut piece = Vec::new();
        // Refused by the kernel at last: then what there is stays in use until somebody looks.
        if piece.try_reserve_exact(1 << 20).is_ok() {
            piece.resize(1 << 20, 1_u8);
            all.push(piece);
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
        black_box(&all);
    }
}

fn threads() -> ! {
    loop {
        let _refused = std::thread::Builder::new().stack_size(16 << 10).spawn(|| sleep()).is_err();
    }
}

fn fill(main: &mut File) -> ! {
    let piece = vec![7_u8; 1 << 20];
    loop {
        if main.write_all(&piece).is_err() {
            let _refused = main.seek(SeekFrom::Start(0)).is_err();
        }
    }
}

fn leave() -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

fn close_the_socket() -> ! {
    // SAFETY: nothing here uses the descriptor again.
    unsafe { libc::close(0) };
    sleep()
}

fn send(bytes: &[u8]) {
    // SAFETY: the bytes are alive for the length given.
    unsafe { libc::send(0, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
}

fn say(event: Event) {
    if let Ok(bytes) = rmp_serde::to_vec(&FromWorker::Event(event)) {
        send(&bytes);
    }
}

/// Progress that rises, as it should, then goes on for ever.
fn flood(progress: &mut dyn FnMut(u16)) -> ! {
    progress(1);
    for thousandths in (2..=1_000).chain(std::iter::repeat(1_000)) {
        say(Event::Progress(thousandths));
    }
    sleep()
}

fn babble(bytes: &[u8]) -> ! {
    loop {
        send(bytes);
    }
}

/// Says that it is done, then goes on to change what it has made.
fn linger(main: &mut File) -> ! {
    if let Ok(outcome) = honest(main) {
        say(Event::Done(Box::new(outcome)));
    }
    loop {
        let _full = main.write_all(b"more").is_err();
    }
}
