//! What connects the Jenkins with the rest: its place in the state, and its port, which a restart closes for a while.

use super::handle::Restart;
use super::state::{Jenkins, Port};
use crate::world::{Shared, World};
use std::net::TcpStream;
use std::time::{Duration, Instant};

impl Shared {
    /// Begins a restart; if connections are to be refused, they are when this returns.
    pub(crate) fn restart_jenkins(&self, restart: &Restart) {
        let address = self.change(|world| {
            let now = world.now();
            let World { jenkins: Some(j), ids, addresses, .. } = world else { return None };
            j.restart(ids, now, restart);
            addresses.jenkins.split_once("://").map(|(_, a)| a.to_owned()).filter(|_| j.port == Port::Closing)
        });
        if let Some(address) = address {
            // Wakes the thread from its `accept`.
            drop(TcpStream::connect(address));
            let closed = |world: &World| world.jenkins.as_ref().is_some_and(|j| j.port != Port::Closing);
            self.wait(Duration::from_secs(10), closed);
        }
    }

    /// Waits as long as the port of the Jenkins is to stay closed.
    pub(crate) fn wait_for_port(&self) {
        let closed = Instant::now();
        let time = self.lock().jenkins.as_ref().map_or(0, |j| j.refused_ms);
        while !self.stopped() && closed.elapsed() < Duration::from_millis(time) {
            self.pause(Duration::from_millis(time).saturating_sub(closed.elapsed()));
        }
    }

    /// Notes the state of the Jenkins' port.
    pub(crate) fn set_port(&self, port: Port) {
        self.change(|world| world.jenkins.iter_mut().for_each(|j| j.port = port));
    }
}

impl World {
    /// Makes the Jenkins that the settings ask for.
    pub(crate) fn open_jenkins(&mut self) {
        if let Some(config) = self.config.jenkins.clone() {
            self.jenkins = Some(Jenkins::new(config, &self.addresses.jenkins, &mut self.ids));
        }
    }

    /// After a reset: the port stays what it is, and numbers continue.
    pub(crate) fn keep_jenkins_port(&mut self, before: &Self) {
        if let (Some(new), Some(old)) = (&mut self.jenkins, &before.jenkins) {
            (new.port, new.next_queue_id) = (old.port, old.next_queue_id);
        }
    }

    /// Lets what is moved by the clock catch up with it.
    pub(crate) fn catch_up(&mut self) {
        let now = self.clock.now();
        if let Some(jenkins) = &mut self.jenkins {
            jenkins.catch_up(now);
        }
    }
}
