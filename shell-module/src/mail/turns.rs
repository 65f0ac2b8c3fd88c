//! Whose mail goes when: several at once, and more that wait, of which one user has as many as it leaves to others.
//!
//! A mailer runs as the job's user, who can stop it, or have it hang for all the time that it may take. The mails of others go
//! on beside that.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use tokio::sync::Notify;

/// Mailers at once.
pub(super) const AT_ONCE: usize = 8;
/// Mails that wait for their turn, at most; each has the file of its output open.
pub(super) const WAITING_MAX: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    running: Users,
    waiting: Users,
    /// In the order in which they came.
    queue: VecDeque<Rc<Ticket>>,
}

/// How many are whose.
#[derive(Debug, Default)]
struct Users(BTreeMap<String, usize>);

#[derive(Debug)]
struct Ticket {
    user: String,
    has_turn: Cell<bool>,
    called: Notify,
}

/// Held by a mail while it waits, and while its mailer runs.
#[derive(Debug)]
pub(super) struct Place<'a> {
    turns: &'a Turns,
    ticket: Rc<Ticket>,
}

impl Turns {
    /// A place among those that wait, or why there is none.
    pub(super) fn place(&self, user: &str) -> Result<Place<'_>, String> {
        let waiting = &mut self.0.borrow_mut().waiting;
        if !waiting.is_open(user, WAITING_MAX) {
            let own = waiting.of(user);
            return Err(format!(
                "{own} mails of {user} wait already; one user has as many of {WAITING_MAX} places as it leaves to others"
            ));
        }
        waiting.enter(user);
        let (has_turn, called) = (Cell::new(false), Notify::new());
        let ticket = Rc::new(Ticket { user: user.to_owned(), has_turn, called });
        Ok(Place { turns: self, ticket })
    }

    /// Those that may go do, the first that came first: one whose user has its share already is passed over.
    fn call(&self) {
        let State { running, waiting, queue } = &mut *self.0.borrow_mut();
        queue.retain(|ticket| {
            let goes = running.is_open(&ticket.user, AT_ONCE);
            if goes {
                waiting.leave(&ticket.user);
                running.enter(&ticket.user);
                ticket.has_turn.set(true);
                ticket.called.notify_one();
            }
            !goes
        });
    }
}

impl Place<'_> {
    /// Waits for the turn, which lasts as long as the place is held.
    pub(super) async fn turn(&self) {
        self.queue();
        self.ticket.called.notified().await;
    }

    fn queue(&self) {
        self.turns.0.borrow_mut().queue.push_back(Rc::clone(&self.ticket));
        self.turns.call();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Ticket { user, has_turn, .. } = &*self.ticket;
        let mut state = self.turns.0.borrow_mut();
        match has_turn.get() {
            true => state.running.leave(user),
            false => {
                state.waiting.leave(user);
                state.queue.retain(|ticket| !Rc::ptr_eq(ticket, &self.ticket));
            }
        }
        drop(state);
        self.turns.call();
    }
}

impl Users {
    fn of(&self, user: &str) -> usize {
        self.0.get(user).copied().unwrap_or_default()
    }

    /// Whether the user would leave others as many as it has.
    fn is_open(&self, user: &str, max: usize) -> bool {
        let free = max.saturating_sub(self.0.values().sum());
        self.of(user) < free
    }

    fn enter(&mut self, user: &str) {
        *self.0.entry(user.to_owned()).or_default() += 1;
    }

    fn leave(&mut self, user: &str) {
        let Some(count) = self.0.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            self.0.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of a user that wait for their turn, and how many of them have it.
    fn crowd<'a>(turns: &'a Turns, user: &str, count: usize) -> Vec<Place<'a>> {
        let places = (0..count).map_while(|_| turns.place(user).ok());
        let queued = |place: Place<'a>| {
            place.queue();
            place
        };
        places.map(queued).collect()
    }

    fn running(places: &[Place<'_>]) -> usize {
        places.iter().filter(|place| place.ticket.has_turn.get()).count()
    }

    #[test]
    fn one_user_takes_half_of_the_turns_and_of_the_places_at_most() {
        let turns = Turns::default();
        let hog = crowd(&turns, "hog", 1000);
        assert_eq!((running(&hog), hog.len()), (AT_ONCE / 2, AT_ONCE / 2 + WAITING_MAX / 2));
        let why = turns.place("hog").unwrap_err();
        assert!(why.starts_with("256 mails of hog wait already; "), "{why}");
        let other = crowd(&turns, "other", 10);
        assert_eq!((running(&other), other.len()), (2, 10), "it goes beside what hangs");
        let third = crowd(&turns, "third", 1);
        assert_eq!(running(&third), 1);
    }

    #[test]
    fn a_turn_that_is_over_goes_to_the_first_whose_user_may_have_it() {
        let turns = Turns::default();
        let mut hog = crowd(&turns, "hog", 6);
        let mut other = crowd(&turns, "other", 3);
        assert_eq!((running(&hog), running(&other)), (4, 2));
        other.remove(0);
        assert_eq!((running(&hog), running(&other)), (4, 2), "those before it have their share");
        hog.remove(0);
        assert_eq!((running(&hog), running(&other)), (3, 2), "it has to leave as many");
        drop(other);
        assert_eq!(running(&hog), 4);
        drop(hog);
        let state = turns.0.borrow();
        assert!(state.running.0.is_empty() && state.waiting.0.is_empty());
        assert!(state.queue.is_empty());
    }

    #[test]
    fn a_place_that_is_given_up_calls_nobody_in_its_stead() {
        let turns = Turns::default();
        let mut places = crowd(&turns, "hog", 5);
        drop(places.pop());
        drop(turns.place("hog").unwrap());
        assert_eq!(running(&places), 4);
        places.remove(0);
        assert_eq!((running(&places), turns.0.borrow().running.of("hog")), (3, 3));
    }
}
