"""The processes and files of one headless Chromium: how it starts, and that nothing of it is left."""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.web.browser import leftovers

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--no-first-run",
    # By a proxy, every host could be reached again.
    "--no-proxy-server",
)
_PREFERENCES = {
    "profile.managed_default_content_settings.images": 2,
    "profile.default_content_setting_values.notifications": 2,
    "download_restrictions": 3,
    # WebRTC asks by UDP at addresses that no resolver sees.
    "webrtc.ip_handling_policy": "disable_non_proxied_udp",
}
_START_SECONDS = 60
_PATIENCE_SECONDS = 5


class ChromeCrashError(CrawlError):
    """The browser is not there any more."""


@dataclass
class Chrome:
    """A running browser, its driver's process, the folder in which they keep everything, and who watches over it."""

    driver: Any
    service: Any
    folder: str
    watcher: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, rules: str, timeout_seconds: float, chrome: str | None, driver: str | None) -> Self:
        """Start a browser that finds hosts by these resolver rules.

        Raises:
            CrawlError: there is none on this machine, or it does not start.
        """
        from selenium.webdriver.chrome.service import Service

        browser = chrome or _installed_browser()
        driver = driver or shutil.which("chromedriver") or _managed_driver(browser)
        leftovers.sweep()
        folder = leftovers.new_folder()
        service, watcher = Service(driver, env=leftovers.environment(folder)), None
        try:
            watcher = leftovers.watch(folder)
            service.start()
            running = cls(_connect(service.service_url, _options(browser, folder, rules)), service, folder, watcher)
            running._limit(timeout_seconds)
        except BaseException as error:  # an interruption too: no process or folder is left behind
            _clean_up(service, None, folder, watcher)
            if isinstance(error, _start_errors()):
                raise CrawlError(f"the browser {browser} does not start ({_first_line(error)})") from error
            raise
        return running

    def stop(self) -> None:
        """End its processes and delete what they wrote."""
        _clean_up(self.service, self.driver, self.folder, self.watcher)

    def _limit(self, timeout_seconds: float) -> None:
        downloads = {"cmd": "Browser.setDownloadBehavior", "params": {"behavior": "deny"}}
        self.driver.execute("executeCdpCommand", downloads)
        # A script that never ends may hold up the driver as well.
        self.driver.command_executor.client_config.timeout = timeout_seconds + _PATIENCE_SECONDS
        self.driver.set_page_load_timeout(timeout_seconds)
        self.driver.set_script_timeout(timeout_seconds)


def _start_errors() -> tuple[type[Exception], ...]:
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    return WebDriverException, HTTPError, OSError


def _connect(address: str, options: Any) -> Any:
    """A session with the driver, which is on this machine: a proxy that the environment names is not asked."""
    from selenium.webdriver import Remote
    from selenium.webdriver.common.proxy import Proxy, ProxyType
    from selenium.webdriver.remote.client_config import ClientConfig

    direct = Proxy(raw={"proxyType": ProxyType.DIRECT})
    config = ClientConfig(address, proxy=direct, timeout=_START_SECONDS)
    return Remote(command_executor=address, options=options, client_config=config)


def _options(browser: str, folder: str, rules: str) -> Any:
    from selenium.webdriver import ChromeOptions

    options = ChromeOptions()
    options.binary_location = browser
    options.page_load_strategy = "eager"
    options.unhandled_prompt_behavior = "dismiss"
    # Chromium has no sandbox for root, which is who one is in most containers.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    for flag in (*_FLAGS, *sandbox, leftovers.profile(folder), f"--host-resolver-rules={rules}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", _PREFERENCES)
    options.add_experimental_option("excludeSwitches", ["disable-popup-blocking"])
    return options


def _installed_browser() -> str:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise CrawlError("no Chromium or Chrome on this machine: install one, as by apt-get install chromium-driver")
    return found


def _managed_driver(browser: str) -> str:
    """The driver that fits the browser, from Selenium Manager; it downloads one unless SE_OFFLINE is set."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.selenium_manager import SeleniumManager

    try:
        paths = SeleniumManager().binary_paths(
            ["--browser", "chrome", "--browser-path", browser, "--avoid-browser-download", "--avoid-stats"]
        )
    except WebDriverException as error:
        raise CrawlError(f"no chromedriver for {browser}: install chromium-driver ({_first_line(error)})") from error
    return str(paths["driver_path"])


def _clean_up(service: Any, driver: Any, folder: str, watcher: "subprocess.Popen[bytes] | None") -> None:
    """By force, for there is nothing to save: a browser that hangs does not answer a request to quit."""
    process = getattr(service, "process", None)
    leftovers.kill(_processes(process, driver))
    if process is not None:
        process.kill()
        process.wait()
        process.stdin.close()
    if driver is not None:
        driver.command_executor.close()
    shutil.rmtree(folder, ignore_errors=True)
    if watcher is not None:
        watcher.kill()
        watcher.communicate()


def _processes(service: Any, driver: Any) -> list[Any]:
    """The driver, the browser, and their children; the browser lives on when its driver is killed."""
    import psutil

    capabilities = driver.capabilities if driver is not None else {}
    found = []
    for pid in filter(None, (service and service.pid, capabilities.get("goog:processID"))):
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
            found.extend(found[-1].children(recursive=True))
    return found


def _first_line(error: Exception) -> str:
    return str(error).removeprefix("Message: ").partition("\n")[0].strip()
