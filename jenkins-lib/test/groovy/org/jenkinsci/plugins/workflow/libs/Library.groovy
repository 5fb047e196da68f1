package org.jenkinsci.plugins.workflow.libs

import java.lang.annotation.Retention
import java.lang.annotation.RetentionPolicy

/** Stands for the annotation of the same name, so that examples compile as they are. */
@Retention(RetentionPolicy.SOURCE)
@interface Library {
    String[] value()
}
