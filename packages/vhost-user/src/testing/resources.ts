/** What of the kernel's this process holds: to compare before and after. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Open descriptors by what they refer to, without those that come and go with reading the list. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((target) => target !== '' && !target.endsWith('/fd'))
    .sort();
}

/** Shared mappings of memfds. */
export function sharedMappings(): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('/memfd:'))
    .map((line) => line.slice(line.indexOf('/memfd:')));
}

export function resources(): { descriptors: string[]; mappings: string[] } {
  return { descriptors: openDescriptors(), mappings: sharedMappings() };
}
