using System.Text.Json.Serialization;
using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>What takes one change of the host back.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "undo")]
[JsonDerivedType(typeof(DeleteLinkStep), "delete-link")]
[JsonDerivedType(typeof(RenameLinkStep), "rename-link")]
[JsonDerivedType(typeof(RestoreLinkStep), "restore-link")]
[JsonDerivedType(typeof(SysctlStep), "sysctl")]
[JsonDerivedType(typeof(LinkSettingStep), "link-setting")]
[JsonDerivedType(typeof(FirewallStep), "firewall")]
[JsonDerivedType(typeof(ServerStep), "server")]
public abstract record UndoStep
{
    /// <summary>What it does, in words.</summary>
    internal abstract string What { get; }

    /// <summary>Does it; harmless where there is nothing to undo.</summary>
    /// <exception cref="LinuxException">The host refused.</exception>
    internal abstract void Undo(UndoContext context);
}
