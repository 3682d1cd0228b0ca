/* A window (SDL2) for the picture of a graphics adapter. See display.h.
 *
 * Keys of the window itself are those with Control and Alt: F full screen and back, G takes the
 * mouse and lets it go, V types the clipboard, S writes a screenshot into the working directory,
 * plus and minus change the size. SDL's scan codes are usages of the HID keyboard page.
 */
#include "display_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "log.h"

#ifdef KITTSON_SDL
#include <SDL.h>

#define FRAME_NS  33000000ull /* between pictures */
#define EVENTS_NS 15000000ull /* between looks at the keyboard */
#define TYPE_NS   20000000ull /* between keys of a pasted text */
#define PASTE_MAX 10000u

#define USAGE_CONTROL 0xe0u
#define USAGE_SHIFT   0xe1u
#define USAGE_ALT     0xe2u

struct window {
    struct display_source source;
    struct display_input input;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    unsigned width, height; /* of the texture */
    uint32_t *pixels;
    char *title;
    uint64_t shown, next_frame_ns;
    bool redraw, grabbed;
    unsigned buttons;
    char *paste; /* what is still to be typed, or NULL */
    size_t pasted;
    uint64_t next_type_ns;
};

/* --- the picture --- */

static bool fit_texture(struct window *w, unsigned width, unsigned height)
{
    if (w->texture != NULL && w->width == width && w->height == height)
        return true;
    if (w->texture != NULL)
        SDL_DestroyTexture(w->texture);
    w->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                   (int)width, (int)height);
    if (w->width != width || w->height != height)
        SDL_SetWindowSize(w->window, (int)width, (int)height);
    w->width = width;
    w->height = height;
    SDL_RenderSetLogicalSize(w->renderer, (int)width, (int)height);
    return w->texture != NULL;
}

static void draw(struct window *w)
{
    unsigned width, height;

    SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, 255);
    SDL_RenderClear(w->renderer);
    if (w->source.picture(w->source.opaque, &width, &height, w->pixels) &&
        fit_texture(w, width, height)) {
        SDL_UpdateTexture(w->texture, NULL, w->pixels, (int)(width * sizeof *w->pixels));
        SDL_RenderCopy(w->renderer, w->texture, NULL, NULL);
    }
    SDL_RenderPresent(w->renderer);
}

static void refresh(struct window *w, uint64_t now)
{
    uint64_t generation = w->source.generation(w->source.opaque);

    if ((generation == w->shown && !w->redraw) || now < w->next_frame_ns)
        return;
    w->shown = generation;
    w->redraw = false;
    w->next_frame_ns = now + FRAME_NS;
    draw(w);
}

/* --- keys --- */

static void press(struct window *w, unsigned usage, bool down)
{
    if (w->input.key != NULL)
        w->input.key(w->input.opaque, usage, down);
}

/* The key of an ASCII character on a US keyboard; 0: there is none. */
static unsigned usage_of(char c, bool *shift)
{
    static const char plain[] = "1234567890\n\033\b\t -=[]\\\\;'`,./";
    static const char shifted[] = "!@#$%^&*()\n\033\b\t _+{}||:\"~<>?";
    const char *p;

    *shift = false;
    if (c >= 'a' && c <= 'z')
        return 4u + (unsigned)(c - 'a');
    if (c >= 'A' && c <= 'Z') {
        *shift = true;
        return 4u + (unsigned)(c - 'A');
    }
    p = c != '\0' ? strchr(plain, c) : NULL;
    if (p != NULL)
        return 0x1e + (unsigned)(p - plain);
    p = c != '\0' ? strchr(shifted, c) : NULL;
    *shift = p != NULL;
    return p != NULL ? 0x1e + (unsigned)(p - shifted) : 0;
}

static void start_paste(struct window *w)
{
    char *text = SDL_GetClipboardText();

    SDL_free(w->paste);
    w->paste = text;
    w->pasted = 0;
    if (text != NULL && strlen(text) > PASTE_MAX) {
        log_warn("only %u characters of the clipboard are typed", PASTE_MAX);
        text[PASTE_MAX] = '\0';
    }
}

/* One character at a time, as a keyboard would. */
static void type_on(struct window *w, uint64_t now)
{
    bool shift;
    unsigned usage;

    if (w->paste == NULL || now < w->next_type_ns)
        return;
    w->next_type_ns = now + TYPE_NS;
    if (w->paste[w->pasted] == '\0') {
        SDL_free(w->paste);
        w->paste = NULL;
        return;
    }
    usage = usage_of(w->paste[w->pasted++], &shift);
    if (usage == 0)
        return;
    if (shift)
        press(w, USAGE_SHIFT, true);
    press(w, usage, true);
    press(w, usage, false);
    if (shift)
        press(w, USAGE_SHIFT, false);
}

static void screenshot(struct window *w)
{
    char name[64], why[256];
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(name, sizeof name, "kittson-%Y%m%d-%H%M%S.png", &tm);
    if (display_write_png(&w->source, name, why, sizeof why) != 0)
        log_warn("screenshot: %s", why);
}

static void set_grab(struct window *w, bool on)
{
    char title[300];

    w->grabbed = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    snprintf(title, sizeof title, "%.200s%s", w->title,
             on ? " - Control-Alt-G lets the mouse go" : "");
    SDL_SetWindowTitle(w->window, title);
}

static void scale(struct window *w, double by)
{
    int width, height;

    SDL_GetWindowSize(w->window, &width, &height);
    SDL_SetWindowSize(w->window, (int)(width * by), (int)(height * by));
}

/* Keys with Control and Alt that are the window's own; the guest sees the two released. */
static bool own_key(struct window *w, SDL_Keycode key)
{
    bool full = SDL_GetWindowFlags(w->window) & SDL_WINDOW_FULLSCREEN_DESKTOP;

    switch (key) {
    case SDLK_f:
        SDL_SetWindowFullscreen(w->window, full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
        break;
    case SDLK_g:
        set_grab(w, !w->grabbed);
        break;
    case SDLK_v:
        start_paste(w);
        break;
    case SDLK_s:
        screenshot(w);
        break;
    case SDLK_PLUS:
    case SDLK_EQUALS:
        scale(w, 1.25);
        break;
    case SDLK_MINUS:
        scale(w, 0.8);
        break;
    default:
        return false;
    }
    press(w, USAGE_CONTROL, false);
    press(w, USAGE_ALT, false);
    return true;
}

static void key_event(struct window *w, const SDL_KeyboardEvent *e)
{
    bool down = e->type == SDL_KEYDOWN;

    if (e->repeat)
        return; /* the guest repeats keys itself */
    if (down && (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_ALT) &&
        own_key(w, e->keysym.sym))
        return;
    press(w, (unsigned)e->keysym.scancode, down);
}

/* --- the mouse: moves the guest's pointer while it is taken --- */

static unsigned button_bit(unsigned button)
{
    return button == SDL_BUTTON_LEFT ? 1u : button == SDL_BUTTON_RIGHT ? 2u : 4u;
}

static void point(struct window *w, int dx, int dy, int wheel)
{
    if (w->grabbed && w->input.pointer != NULL)
        w->input.pointer(w->input.opaque, dx, dy, wheel, w->buttons);
}

static void button_event(struct window *w, const SDL_MouseButtonEvent *e)
{
    if (!w->grabbed) { /* the click that takes it is not the guest's */
        if (e->type == SDL_MOUSEBUTTONDOWN && w->input.pointer != NULL)
            set_grab(w, true);
        return;
    }
    if (e->type == SDL_MOUSEBUTTONDOWN)
        w->buttons |= button_bit(e->button);
    else
        w->buttons &= ~button_bit(e->button);
    point(w, 0, 0, 0);
}

/* --- events --- */

static void event(struct window *w, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        key_event(w, &e->key);
        break;
    case SDL_MOUSEMOTION:
        point(w, e->motion.xrel, e->motion.yrel, 0);
        break;
    case SDL_MOUSEWHEEL:
        point(w, 0, 0, e->wheel.y);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        button_event(w, &e->button);
        break;
    case SDL_WINDOWEVENT:
        w->redraw = true;
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST && w->grabbed)
            set_grab(w, false);
        break;
    case SDL_QUIT:
        if (w->input.close != NULL)
            w->input.close(w->input.opaque);
        break;
    default:
        break;
    }
}

static uint64_t window_poll(void *state, uint64_t now)
{
    struct window *w = state;
    SDL_Event e;

    while (SDL_PollEvent(&e))
        event(w, &e);
    type_on(w, now);
    refresh(w, now);
    return now + EVENTS_NS;
}

/* --- opening --- */

static void window_close(void *state)
{
    struct window *w = state;

    SDL_free(w->paste);
    if (w->texture != NULL)
        SDL_DestroyTexture(w->texture);
    if (w->renderer != NULL)
        SDL_DestroyRenderer(w->renderer);
    if (w->window != NULL)
        SDL_DestroyWindow(w->window);
    SDL_QuitSubSystem(SDL_INIT_VIDEO);
    free(w->pixels);
    free(w->title);
    free(w);
}

static bool make_window(struct window *w)
{
    w->window = SDL_CreateWindow(w->title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 800,
                                 600, SDL_WINDOW_RESIZABLE);
    if (w->window != NULL)
        w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
    return w->renderer != NULL;
}

int window_open(const char *title, const struct display_source *source,
                const struct display_input *input, void **state, char *why, size_t size)
{
    struct window *w = calloc(1, sizeof *w);

    if (w == NULL)
        return -ENOMEM;
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* they are the program's */
    if (SDL_InitSubSystem(SDL_INIT_VIDEO) != 0) {
        snprintf(why, size, "--display sdl: there is no screen (%s)", SDL_GetError());
        free(w);
        return -ENODEV;
    }
    w->source = *source;
    w->input = *input;
    w->title = strdup(title);
    w->pixels = malloc((size_t)DISPLAY_MAX_WIDTH * DISPLAY_MAX_HEIGHT * sizeof *w->pixels);
    w->redraw = true;
    if (w->title == NULL || w->pixels == NULL || !make_window(w)) {
        snprintf(why, size, "--display sdl: no window can be made (%s)", SDL_GetError());
        window_close(w);
        return -ENODEV;
    }
    *state = w;
    return 0;
}

#else

int window_open(const char *title, const struct display_source *source,
                const struct display_input *input, void **state, char *why, size_t size)
{
    (void)title;
    (void)source;
    (void)input;
    (void)state;
    snprintf(why, size, "--display sdl: this program was built without SDL2");
    return -ENODEV;
}

static uint64_t window_poll(void *state, uint64_t now)
{
    (void)state;
    (void)now;
    return UINT64_MAX;
}

static void window_close(void *state)
{
    (void)state;
}

#endif

const struct display_kind window_kind = {window_poll, window_close};
