/** Puts the page into the document. */
import { mount } from 'svelte';
import type { Engine } from '../engine.ts';
import App from './App.svelte';
import { takeLink } from './address.ts';
import { AppModel } from './app.svelte.ts';
import { type Missing, missingOf } from './needs.ts';
import Unable from './Unable.svelte';
import './style.css';

/**
 * Shows the page, or why it cannot be.
 * @param startEngine called only where the browser has what it needs
 */
export function mountPage(startEngine: () => Engine): AppModel | Missing {
  // Before anything else: what comes may fail, and the secret must not stay in the address bar.
  const link = takeLink(location, history);
  const missing = missingOf(window);
  if (missing !== undefined) {
    mount(Unable, { target: document.body, props: { missing } });
    return missing;
  }
  const app = new AppModel(startEngine());
  mount(App, { target: document.body, props: { app } });
  void app.begin(link, location.pathname);
  return app;
}
