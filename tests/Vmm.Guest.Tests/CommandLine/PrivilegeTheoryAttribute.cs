using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>A test of the published executable without privilege, which root gives up by setpriv; skipped with a reason where one of them is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PrivilegeTheoryAttribute : TheoryAttribute
{
    public PrivilegeTheoryAttribute() => Skip = !File.Exists(Repository.Vmm) ? "out/vmm is missing: run examples/build.sh"
        : !File.Exists("/usr/bin/setpriv") ? "setpriv is missing: install util-linux"
        : !Environment.IsPrivilegedProcess ? "only root can give privileges up" : null;
}
