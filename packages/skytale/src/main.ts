#!/usr/bin/env node
console.log('skytale');
