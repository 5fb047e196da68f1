//! What ties the Jenkins to the rest: its place in the world, and its port, which a restart closes for a while.

use super::state::{Jenkins, Port};
use crate::world::{Shared, World};
use std::time::{Duration, Instant};

impl Shared {
    /// Waits until the Jenkins' port is closed, if it is to be.
    pub(crate) fn follow_port(&self) {
        let closing = |world: &World| world.jenkins.as_ref().is_some_and(|j| j.port == Port::Closing);
        let address = {
            let world = self.lock();
            if !closing(&world) {
                return;
            }
            world.addresses.jenkins.split_once("://").map(|(_, a)| a.to_owned())
        };
        // Wakes the thread from its `accept`.
        drop(address.map(std::net::TcpStream::connect));
        self.wait(Duration::from_secs(10), |world| !closing(world));
    }

    /// Ends every phase of a restart, and waits until it listens.
    pub(crate) fn start_jenkins(&self) {
        self.follow_port();
        if let Some(j) = &mut self.lock().jenkins {
            j.starting = 0;
            j.refused_ms = Some(0);
        }
        self.notify();
        self.wait(Duration::from_secs(10), |world| world.jenkins.as_ref().is_none_or(|j| j.port == Port::Open));
    }

    /// Waits as long as the port of the Jenkins is to stay closed.
    pub(crate) fn wait_for_port(&self) {
        let closed = Instant::now();
        let over = |world: &World| {
            let Some(j) = &world.jenkins else { return true };
            j.refused_ms.is_some_and(|ms| closed.elapsed() >= Duration::from_millis(ms))
        };
        while !self.stopped() && !self.wait(Duration::from_secs(60), over) {}
    }

    /// Says what the port of the Jenkins is now.
    pub(crate) fn set_port(&self, port: Port) {
        if let Some(jenkins) = &mut self.lock().jenkins {
            jenkins.port = port;
        }
        self.notify();
    }
}

impl World {
    /// Makes the Jenkins that the settings ask for.
    pub(crate) fn open_jenkins(&mut self) {
        if let Some(config) = self.config.jenkins.clone() {
            self.jenkins = Some(Jenkins::new(config, &self.addresses.jenkins, &mut self.ids));
        }
    }

    /// After a reset: the port stays what it is, and numbers go on.
    pub(crate) fn take_over_jenkins(&mut self, before: &Self) {
        if let (Some(new), Some(old)) = (&mut self.jenkins, &before.jenkins) {
            (new.port, new.next_queue_id) = (old.port, old.next_queue_id.max(new.next_queue_id));
        }
    }

    /// Lets what lives by the clock catch up with it.
    pub(crate) fn settle(&mut self) {
        let now = self.clock.now();
        if let Some(jenkins) = &mut self.jenkins {
            jenkins.settle(now);
        }
    }
}
