/* copies.c - copies of stretches of operators: for threads, for plans that are kept, for sub-plans of either. */
#include "query/parallel.h"

uint32_t lion_parallel_list(lion_operator **out, uint32_t room, lion_operator *top, const lion_operator *below)
{
    uint32_t count = 0;
    for (lion_operator *at = top; at != below && at != NULL; at = at->inputs[0]) {
        if (count < room) out[count] = at;
        count++;
        for (uint32_t i = 0; i < at->subplan_count; i++)
            count += lion_parallel_list(out + (count < room ? count : room), count < room ? room - count : 0, at->subplans[i], NULL);
    }
    return count;
}

lion_operator *lion_parallel_copy(const lion_operator *top, const lion_operator *below, lion_run *run, lion_operator *input)
{
    if (top == below) return input;
    lion_operator *under = top->inputs[0] == NULL ? NULL : lion_parallel_copy(top->inputs[0], below, run, input);
    lion_operator *copy = top->copy(top, run, under);
    copy->detail = top->detail;
    copy->index = top->index;
    copy->range = top->range;
    copy->advice = top->advice;
    copy->rows_estimated = top->rows_estimated;
    return copy;
}

static lion_operator *feed_of(lion_operator *root)
{
    while (root->inputs[0] != NULL) root = root->inputs[0];
    return root;
}

lion_subplan lion_subplan_copy(const lion_subplan *subplan, lion_run *run)
{
    lion_subplan copy = { .root = lion_parallel_copy(subplan->root, NULL, run, NULL) };
    copy.feed = feed_of(copy.root);
    return copy;
}
