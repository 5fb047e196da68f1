package org.jenkinsci.plugins.credentialsbinding.impl

import hudson.AbortException

/** Stands for the class of the same name in the Credentials Binding plugin. */
class CredentialNotFoundException extends AbortException {
    private static final long serialVersionUID = 1L

    CredentialNotFoundException(String message) {
        super(message)
    }
}
