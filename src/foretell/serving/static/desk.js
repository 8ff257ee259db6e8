// The desk's one script: help for the keyboard. Every page works without it.
"use strict";
