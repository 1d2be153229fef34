import { MemoryLog } from './memory-log.ts';
import { messageLogCases } from './message-log.cases.ts';

messageLogCases('MemoryLog', async () => new MemoryLog());
